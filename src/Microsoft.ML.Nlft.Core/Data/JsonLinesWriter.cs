using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>Writes rows as the JSON Lines that <see cref="JsonLinesReader"/> reads.</summary>
public static class JsonLinesWriter
{
    // Letters beyond ASCII stay readable; the file is no HTML.
    private static readonly JsonWriterOptions s_format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes rows; the file appears whole or not at all. Properties without a value are left out.</summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="examples">The rows.</param>
    /// <param name="names">Property names; null: the default ones.</param>
    /// <exception cref="NlftException">A row has an empty question, response or answer, or a text that is not valid Unicode.</exception>
    public static void Write(string path, IEnumerable<TrainingExample> examples, JsonLinesNames? names = null)
    {
        ArgumentNullException.ThrowIfNull(examples);
        Write(path, examples.Select(JsonLinesRow.Of), names, complete: true);
    }

    /// <summary>Writes rows of which only the question must be there; the file appears whole or not at all. Properties without a value are left out.</summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="names">Property names; null: the default ones.</param>
    /// <exception cref="NlftException">A row has an empty question, or a text that is not valid Unicode.</exception>
    public static void WriteRows(string path, IEnumerable<JsonLinesRow> rows, JsonLinesNames? names = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        Write(path, rows, names, complete: false);
    }

    private static void Write(string path, IEnumerable<JsonLinesRow> rows, JsonLinesNames? names, bool complete)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        names ??= new();
        names.Validate();
        AtomicFile.Write(path, stream =>
        {
            using var writer = new Utf8JsonWriter(stream, s_format);
            var row = 0;
            foreach (var example in rows)
            {
                row++;
                writer.WriteStartObject();
                Text("Id", example.Id);
                Text(names.Question, example.Question, required: true);
                Text(names.Response, example.Response, complete);
                Text(names.Judgment, example.Judgment);
                Text(names.Answer, example.Answer, complete);
                Text(names.Instruction, example.Instruction);
                if (example.Score is { } score) writer.WriteNumber("Score", score);
                writer.WriteEndObject();
                writer.Flush();
                writer.Reset();
                stream.WriteByte((byte)'\n');
            }

            void Text(string name, string? text, bool required = false)
            {
                var place = $"row {row} to be written to {path}, \"{name}\"";
                if (!string.IsNullOrWhiteSpace(text)) writer.WriteString(name, WellFormed(text, place));
                else if (required) throw new NlftException(place, "an empty text", "a text", "Fill it in or leave the row out.");
            }
        });
    }

    internal static string WellFormed(string text, string place)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (!char.IsSurrogate(text[at])) continue;
            if (!Rune.TryGetRuneAt(text, at, out _))
                throw new NlftException($"{place}, character {at + 1}", "half of a surrogate pair", "whole characters",
                    "Repair the text: it was cut in the middle of a character.");
            at++;
        }
        return text;
    }
}
