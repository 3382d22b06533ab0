using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Reads and writes the layouts of rows in JSON: this library's JSON Lines, and those of GSM8K, NLFT, CUT, supervised fine-tuning and ReFT.
/// </summary>
internal static class JsonFormat
{
    private const string Id = nameof(DataRow.Id), Score = nameof(DataRow.Score);

    // Letters beyond ASCII stay readable; the files are not HTML.
    private static readonly JsonWriterOptions s_line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions s_list = s_line with { Indented = true, NewLine = "\n" };

    /// <summary>Reads this library's JSON Lines.</summary>
    public static DataRow ReadLine(JsonFields row, DataColumns columns, IReadOnlyList<string> required) => new()
    {
        Question = row.RequiredText(columns.Question),
        Response = row.Text(columns.Response, required.Contains(nameof(columns.Response))),
        Judgment = row.Text(columns.Judgment, required.Contains(nameof(columns.Judgment))),
        Answer = row.TextOrNumber(columns.Answer) ?? row.Text(columns.Answer, required.Contains(nameof(columns.Answer))),
        Instruction = row.Text(columns.Instruction, required.Contains(nameof(columns.Instruction))),
        Id = row.TextOrNumber(Id),
        Score = row.OptionalNumber(Score),
        Source = row.Place,
    };

    /// <summary>Reads GSM8K's train.jsonl and test.jsonl.</summary>
    public static DataRow ReadGsm8k(JsonFields row) =>
        new() { Question = row.RequiredText("question"), Answer = GoldSolution(row, "answer"), Source = row.Place };

    /// <summary>Reads GSM8K's example_model_solutions.jsonl: the solution of one model, scored 1 when it was counted as right, else 0.</summary>
    public static DataRow ReadGsm8kSolution(JsonFields row, string model)
    {
        var answered = row.Object(model);
        return new()
        {
            Question = row.RequiredText("question"),
            Answer = GoldSolution(row, "ground_truth"),
            Response = answered.RequiredText("solution"),
            Score = answered.Flag("is_correct") ? 1 : 0,
            Source = row.Place,
        };
    }

    /// <summary>Reads the published layout of NLFT or, without answers, of CUT.</summary>
    public static DataRow ReadPublished(JsonFields row, bool answers)
    {
        var (instruction, input) = (row.OptionalText("instruction"), row.OptionalText("input"));
        return new()
        {
            Question = input ?? row.RequiredText("instruction"),
            Response = row.Has("output") ? row.OptionalText("output") : row.RequiredText("output"),
            Judgment = row.OptionalText("judgment"),
            Answer = answers ? row.TextOrNumber("answer") ?? row.RequiredText("answer") : null,
            Instruction = input is null ? null : instruction,
            Id = row.TextOrNumber("id"),
            Score = row.OptionalNumber("score"),
            Source = row.Place,
        };
    }

    /// <summary>Writes this library's JSON Lines: keys without a value are left out.</summary>
    /// <param name="stream">Receives the rows.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The keys.</param>
    /// <param name="place">Names a row in messages by its number from 1.</param>
    /// <param name="results">Further keys of a row, by its index from 0; null: none.</param>
    public static void WriteJsonLines(Stream stream, IEnumerable<DataRow> rows, DataColumns columns, Func<int, string> place,
        Func<int, IEnumerable<(string Name, JsonNode? Value)>>? results = null) => WriteLines(stream, rows, (writer, at, row) =>
        {
            if (string.IsNullOrWhiteSpace(row.Question))
                throw new NlftException($"{place(at + 1)}, \"{columns.Question}\"", "an empty text", "a text", "Fill it in or leave the row out.");
            Text(Id, row.Id);
            Text(columns.Question, row.Question);
            Text(columns.Response, row.Response);
            Text(columns.Judgment, row.Judgment);
            Text(columns.Answer, row.Answer);
            Text(columns.Instruction, row.Instruction);
            if (row.Score is { } score) writer.WriteNumber(Score, score);
            foreach (var (name, value) in results?.Invoke(at) ?? [])
            {
                if (value is null) continue;
                writer.WritePropertyName(name);
                value.WriteTo(writer);
            }

            void Text(string name, string? text)
            {
                if (text is not null) writer.WriteString(name, WellFormed(text, $"{place(at + 1)}, \"{name}\""));
            }
        });

    /// <summary>Writes prompts and completions for supervised fine-tuning.</summary>
    /// <param name="stream">Receives the rows.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="completion">The property of <see cref="DataRow"/> that is the completion: Response or Answer.</param>
    public static void WriteCompletions(Stream stream, IEnumerable<DataRow> rows, string completion) => WriteLines(stream, rows, (writer, _, row) =>
    {
        Write(writer, row, "prompt", Prompt(row));
        Write(writer, row, "completion", row.Require(completion));
    });

    /// <summary>Writes the published layout of NLFT or, without answers, of CUT.</summary>
    public static void WritePublished(Stream stream, IEnumerable<DataRow> rows, bool answers) => WriteList(stream, rows, (writer, at, row) =>
    {
        if (row.Id is null) writer.WriteNumber("id", at);
        else if (long.TryParse(row.Id, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)) writer.WriteNumber("id", number);
        else Write(writer, row, "id", row.Id);
        Write(writer, row, "instruction", row.Instruction ?? row.Question);
        Write(writer, row, "input", row.Instruction is null ? "" : row.Question);
        Write(writer, row, "output", row.Require(nameof(row.Response)));
        if (row.Judgment is null) writer.WriteNull("judgment");
        else Write(writer, row, "judgment", row.Judgment);
        if (answers) Write(writer, row, "answer", row.Require(nameof(row.Answer)));
        if (row.Score is { } score) writer.WriteNumber("score", score);
    });

    /// <summary>Writes the layout of ReFT.</summary>
    public static void WriteReft(Stream stream, IEnumerable<DataRow> rows) => WriteList(stream, rows, (writer, at, row) =>
    {
        var answer = row.Require(nameof(row.Answer));
        var value = AnswerExtraction.GoldNumber(answer) ?? throw new NlftException($"{row.Source}, Answer", "an answer without a final number",
            "a number, alone or after ####", "Correct the answer or leave the row out.");
        Write(writer, row, "item_id", row.Id ?? $"row_{at}");
        Write(writer, row, "question", Prompt(row));
        Write(writer, row, "answer_cot", answer);
        Write(writer, row, "answer_value", value.ToString());
    });

    /// <summary>Returns a text, which must be valid Unicode.</summary>
    /// <exception cref="NlftException">The text contains an unpaired surrogate.</exception>
    public static string WellFormed(string text, string place)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (!char.IsSurrogate(text[at])) continue;
            if (!Rune.TryGetRuneAt(text, at, out _))
            {
                throw new NlftException($"{place}, character {at + 1}", "half of a surrogate pair", "whole characters",
                    "Repair the text: it was cut in the middle of a character.");
            }
            at++;
        }
        return text;
    }

    private static void WriteLines(Stream stream, IEnumerable<DataRow> rows, Action<Utf8JsonWriter, int, DataRow> write)
    {
        using var writer = new Utf8JsonWriter(stream, s_line);
        var at = 0;
        foreach (var row in rows)
        {
            writer.WriteStartObject();
            write(writer, at++, row);
            writer.WriteEndObject();
            writer.Flush();
            writer.Reset();
            stream.WriteByte((byte)'\n');
        }
    }

    private static void WriteList(Stream stream, IEnumerable<DataRow> rows, Action<Utf8JsonWriter, int, DataRow> write)
    {
        using var writer = new Utf8JsonWriter(stream, s_list);
        writer.WriteStartArray();
        var at = 0;
        foreach (var row in rows)
        {
            writer.WriteStartObject();
            write(writer, at++, row);
            writer.WriteEndObject();
            if (writer.BytesPending > 1 << 16) writer.Flush();
        }
        writer.WriteEndArray();
        writer.Flush();
        stream.WriteByte((byte)'\n');
    }

    private static void Write(Utf8JsonWriter writer, DataRow row, string name, string text) =>
        writer.WriteString(name, WellFormed(text, $"{row.Source}, \"{name}\""));

    private static string Prompt(DataRow row) => row.Instruction is null ? row.Question : $"{row.Instruction}\n\n{row.Question}";

    private static string GoldSolution(JsonFields row, string key)
    {
        var answer = row.RequiredText(key);
        return AnswerExtraction.GoldNumber(answer) is not null ? answer
            : throw new NlftException($"{row.Place}, \"{key}\"", "an answer without a final number", "a solution that ends in #### and a number",
                "Correct the answer or leave the row out.");
    }
}
