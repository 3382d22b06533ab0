using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>The JSON of journals and of the messages between processes.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata, Converters = [typeof(JsonValueConverter)])]
[JsonSerializable(typeof(JournalBeginning))]
[JsonSerializable(typeof(JournalEntry<GeneratedText>))]
[JsonSerializable(typeof(JournalEntry<Verdict>))]
[JsonSerializable(typeof(GeneratedText[]))]
[JsonSerializable(typeof(Verdict[]))]
[JsonSerializable(typeof(GenerationOptions))]
[JsonSerializable(typeof(PromptOptions))]
internal sealed partial class FeedbackJson : JsonSerializerContext
{
    /// <summary>Gets the JSON of journals: letters beyond ASCII stay readable.</summary>
    public static FeedbackJson Readable { get; } =
        new(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>Gets the JSON of a type that is listed above.</summary>
    public JsonTypeInfo<T> Of<T>() => (JsonTypeInfo<T>)GetTypeInfo(typeof(T))!;
}

/// <summary>The first line of a journal.</summary>
/// <param name="Run">Names the run.</param>
internal sealed record JournalBeginning(string Run);

/// <summary>A line of a journal.</summary>
/// <param name="Index">The row's place, from 0.</param>
/// <param name="Row">Identifies the row.</param>
/// <param name="Result">The row's result.</param>
internal sealed record JournalEntry<T>(int Index, string Row, T Result);
