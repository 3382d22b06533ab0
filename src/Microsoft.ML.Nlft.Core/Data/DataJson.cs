using System.Text.Json.Serialization;

namespace Microsoft.ML.Nlft.Data;

/// <summary>The JSON of what files in other formats hold.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(Dictionary<string, string?>))]
internal sealed partial class DataJson : JsonSerializerContext;
