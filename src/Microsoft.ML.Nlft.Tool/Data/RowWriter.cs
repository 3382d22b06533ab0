using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>Writes results as JSON Lines: to a file that appears whole or not at all, or to the standard output.</summary>
internal static class RowWriter
{
    private static readonly JsonWriterOptions s_format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly JsonSerializerOptions s_values = new() { Encoder = s_format.Encoder, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>One row as a line of JSON: texts, or records and lists of them; values that are null are left out.</summary>
    public static string Line(params IEnumerable<(string Name, object? Value)> fields)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, s_format))
        {
            writer.WriteStartObject();
            foreach (var (name, value) in fields)
            {
                if (value is null) continue;
                writer.WritePropertyName(name);
                JsonSerializer.Serialize(writer, value, s_values);
            }
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Writes lines to a file.</summary>
    /// <exception cref="NlftException">The disk is full or the place cannot be written; the file is as it was.</exception>
    public static void Write(string path, IEnumerable<string> lines) => AtomicFile.Write(path, stream =>
    {
        foreach (var line in lines) stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
    });

    /// <summary>
    /// Writes to the file if there is one, else to the standard output. Of the processes of a job the first one writes.
    /// </summary>
    /// <param name="console">The console.</param>
    /// <param name="path">The file; null: none.</param>
    /// <param name="lines">What to write.</param>
    /// <param name="journal">The journal of the run, which has done its work then; null: there is none.</param>
    public static void WriteTo(ToolConsole console, string? path, IReadOnlyList<string> lines, string? journal = null)
    {
        if (path is not null)
        {
            console.Communicator.OnFirst($"writing {path}", () =>
            {
                Write(console.PathOf(path), lines);
                if (journal is not null) File.Delete(journal);
            });
            return;
        }
        foreach (var line in lines) console.Out.WriteLine(line);
    }
}
