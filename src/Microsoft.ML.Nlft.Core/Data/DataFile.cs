using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Data;

/// <summary>Reads and writes rows in every <see cref="RowFormat"/>.</summary>
public static class DataFile
{
    private static readonly string[] s_columns = ["Id", "Question", "Response", "Judgment", "Answer", "Instruction", "Score"];

    // Letters beyond ASCII stay readable; the files are no HTML.
    private static readonly JsonWriterOptions s_line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions s_list = s_line with { Indented = true };

    /// <summary>Reads all rows of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="format">Its format; null: by its extension, a .json file whose first object has no "answer" being <see cref="RowFormat.Cut"/>.</param>
    /// <exception cref="NlftException">The first fault: file, line and, where there is one, column or property, and what was expected.</exception>
    public static IReadOnlyList<JsonLinesRow> Read(string path, RowFormat? format = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return (format ?? FormatOf(path)) switch
        {
            RowFormat.JsonLines => JsonLinesReader.ReadRows(path),
            RowFormat.Csv => DelimitedReader.Read(path, ','),
            RowFormat.Tsv => DelimitedReader.Read(path, '\t'),
            RowFormat.Gsm8k => [.. Gsm8kReader.ReadQuestions(path).Select(row => new JsonLinesRow(row.Question, null, null, row.Answer, null, row.Source))],
            RowFormat.Nlft => ReadList(path, answers: format is null ? null : true),
            RowFormat.Cut => ReadList(path, answers: false),
            var other => throw new NlftException($"{path}, format", $"{other}, which is for export", "JsonLines, Csv, Tsv, Gsm8k, Nlft or Cut", "Name the format that the file has."),
        };
    }

    /// <summary>The rows of a file as a stream; the file is checked as it is read, and nothing is read before the first row is asked for.</summary>
    /// <param name="path">The file.</param>
    /// <param name="format">As for <see cref="Read"/>.</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    /// <exception cref="NlftException">As for <see cref="Read"/>.</exception>
    public static async IAsyncEnumerable<JsonLinesRow> ReadAsync(string path, RowFormat? format = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var row in await Task.Run(() => Read(path, format), cancellationToken).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return row;
        }
    }

    /// <summary>Writes rows; the file appears whole or not at all.</summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="format">The format; null: by the extension.</param>
    /// <exception cref="NlftException">A row lacks a text that the format needs, has an ill-formed one, or the format is for reading only.</exception>
    public static void Write(string path, IEnumerable<JsonLinesRow> rows, RowFormat? format = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(rows);
        switch (format ?? FormatOf(path))
        {
            case RowFormat.JsonLines: JsonLinesWriter.WriteRows(path, rows); break;
            case RowFormat.Csv: WriteDelimited(path, rows, ','); break;
            case RowFormat.Tsv: WriteDelimited(path, rows, '\t'); break;
            case RowFormat.Nlft: WriteList(path, rows, (writer, at, row) => WritePublished(writer, at, row, answers: true)); break;
            case RowFormat.Cut: WriteList(path, rows, (writer, at, row) => WritePublished(writer, at, row, answers: false)); break;
            case RowFormat.Sft: WriteLines(path, rows, row => Need(row.Response, row, nameof(row.Response))); break;
            case RowFormat.SftGold: WriteLines(path, rows, row => Need(row.Answer, row, nameof(row.Answer))); break;
            case RowFormat.Reft: WriteList(path, rows, WriteReft); break;
            case var other: throw new NlftException($"{path}, format", $"{other}, which is read only", "JsonLines, Csv, Tsv, Nlft, Cut, Sft, SftGold or Reft", "Name a format that can be written.");
        }
    }

    private static RowFormat FormatOf(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".jsonl" or ".ndjson" => RowFormat.JsonLines,
        ".csv" or ".txt" => RowFormat.Csv,
        ".tsv" or ".tab" => RowFormat.Tsv,
        ".json" => RowFormat.Nlft,
        var other => throw new NlftException(path, other.Length == 0 ? "a name without an extension" : $"the extension {other}", ".jsonl, .csv, .tsv or .json",
            "Name the file by its format, or name the format."),
    };

    /// <param name="path">The file.</param>
    /// <param name="answers">Whether every row must have an answer; null: as the first one has.</param>
    private static List<JsonLinesRow> ReadList(string path, bool? answers)
    {
        var rows = JsonRow.ReadList(path);
        var needed = answers ?? rows[0].Has("answer");
        return [.. rows.Select(row =>
        {
            var (instruction, input) = (row.OptionalText("instruction"), row.OptionalText("input"));
            return new JsonLinesRow(input ?? row.RequiredText("instruction"), row.RequiredText("output"), row.OptionalText("judgment"),
                needed ? row.TextOrNumber("answer") ?? row.RequiredText("answer") : null, input is null ? null : instruction, row.Place)
            {
                Id = row.TextOrNumber("id"),
                Score = row.OptionalNumber("score"),
            };
        })];
    }

    private static void WritePublished(Utf8JsonWriter writer, int at, JsonLinesRow row, bool answers)
    {
        if (long.TryParse(row.Id ?? $"{at}", NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)) writer.WriteNumber("id", number);
        else Text(writer, "id", row.Id!, row);
        Text(writer, "instruction", row.Instruction ?? row.Question, row);
        Text(writer, "input", row.Instruction is null ? "" : row.Question, row);
        Text(writer, "output", Need(row.Response, row, nameof(row.Response)), row);
        if (row.Judgment is null) writer.WriteNull("judgment");
        else Text(writer, "judgment", row.Judgment, row);
        if (answers) Text(writer, "answer", Need(row.Answer, row, nameof(row.Answer)), row);
        if (row.Score is { } score) writer.WriteNumber("score", score);
    }

    private static void WriteReft(Utf8JsonWriter writer, int at, JsonLinesRow row)
    {
        var answer = Need(row.Answer, row, nameof(row.Answer));
        var value = AnswerExtraction.FinalNumber(answer)
            ?? throw new NlftException($"{row.Source}, Answer", "an answer without a final number", "a number, alone or after ####", "Correct the answer or leave the row out.");
        Text(writer, "item_id", row.Id ?? $"row_{at}", row);
        Text(writer, "question", Prompt(row), row);
        Text(writer, "answer_cot", answer, row);
        Text(writer, "answer_value", value.ToString(), row);
    }

    private static void WriteList(string path, IEnumerable<JsonLinesRow> rows, Action<Utf8JsonWriter, int, JsonLinesRow> write) => AtomicFile.Write(path, stream =>
    {
        using var writer = new Utf8JsonWriter(stream, s_list);
        writer.WriteStartArray();
        var at = 0;
        foreach (var row in rows)
        {
            writer.WriteStartObject();
            write(writer, at++, row);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.Flush();
        stream.WriteByte((byte)'\n');
    });

    private static void WriteLines(string path, IEnumerable<JsonLinesRow> rows, Func<JsonLinesRow, string> completion) => AtomicFile.Write(path, stream =>
    {
        using var writer = new Utf8JsonWriter(stream, s_line);
        foreach (var row in rows)
        {
            writer.WriteStartObject();
            Text(writer, "prompt", Prompt(row), row);
            Text(writer, "completion", completion(row), row);
            writer.WriteEndObject();
            writer.Flush();
            writer.Reset();
            stream.WriteByte((byte)'\n');
        }
    });

    private static void WriteDelimited(string path, IEnumerable<JsonLinesRow> rows, char delimiter) => AtomicFile.Write(path, stream =>
    {
        using var text = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        text.WriteLine(string.Join(delimiter, s_columns));
        foreach (var row in rows)
        {
            string?[] fields = [row.Id, row.Question, row.Response, row.Judgment, row.Answer, row.Instruction, row.Score?.ToString("R", CultureInfo.InvariantCulture)];
            text.WriteLine(string.Join(delimiter, fields.Select((field, i) => Quoted(JsonLinesWriter.WellFormed(field ?? "", $"{row.Source}, {s_columns[i]}"), delimiter))));
        }
    });

    private static string Quoted(string field, char delimiter) =>
        field.AsSpan().IndexOfAny(['"', '\r', '\n', delimiter]) < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static string Prompt(JsonLinesRow row) => row.Instruction is null ? row.Question : $"{row.Instruction}\n\n{row.Question}";

    private static string Need(string? text, JsonLinesRow row, string property) => text ?? throw row.Missing(property);

    private static void Text(Utf8JsonWriter writer, string name, string text, JsonLinesRow row) => writer.WriteString(name, JsonLinesWriter.WellFormed(text, $"{row.Source}, \"{name}\""));
}
