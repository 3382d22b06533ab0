using System.Text.Json.Serialization;

namespace Microsoft.ML.Nlft.Training;

/// <summary>The JSON of the messages between the processes that train one model.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(RunIdentity))]
[JsonSerializable(typeof(TrainingTeam.Refusal))]
[JsonSerializable(typeof(string[]))]
internal sealed partial class TrainingJson : JsonSerializerContext;
