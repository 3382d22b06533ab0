using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>Reads and writes rows in every <see cref="RowFormat"/>. Reading takes time and memory linear in the size of the file.</summary>
/// <example>
/// <code>
/// IReadOnlyList&lt;DataRow&gt; questions = DataFile.Read("questions.csv");
/// IReadOnlyList&lt;TrainingExample&gt; examples = DataFile.ReadExamples("rows.jsonl");
/// </code>
/// </example>
public static class DataFile
{
    private static readonly string[] s_complete = [nameof(DataRow.Response), nameof(DataRow.Answer)];

    /// <summary>Reads all rows of a file.</summary>
    /// <param name="path">The file: UTF-8, with or without a byte order mark.</param>
    /// <param name="format">
    /// Its format; null: by its extension. A .json file that begins with a bracket is <see cref="RowFormat.Nlft"/>, or <see cref="RowFormat.Cut"/>
    /// when its first object has no "answer", or a list of the objects of <see cref="RowFormat.JsonLines"/> when that one has a question; any other
    /// .json file is <see cref="RowFormat.JsonLines"/>.
    /// </param>
    /// <param name="columns">The names of its columns or keys, where the format leaves them open; null: the default ones.</param>
    /// <param name="delimiter">What separates the fields of CSV or TSV; null: a comma or a tab.</param>
    /// <param name="required">
    /// Properties of <see cref="DataRow"/> that every row must fill in besides the question: any of Response, Judgment, Answer and Instruction;
    /// null: none.
    /// </param>
    /// <returns>The rows in order, at least one, each with its place in <see cref="DataRow.Source"/>. Texts that are blank are null.</returns>
    /// <exception cref="NlftException">
    /// The first fault, with file, line and, where there is one, column or key. A repeated key or column is a fault.
    /// </exception>
    public static IReadOnlyList<DataRow> Read(
        string path, RowFormat? format = null, DataColumns? columns = null, char? delimiter = null, IReadOnlyList<string>? required = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        (columns, required) = (columns ?? new(), required ?? []);
        columns.Validate();
        var (found, isNamed) = (format ?? FormatIn(path), format is not null);
        ForeignFile.Refuse(path, found);
        try
        {
            return Parse(path, found, isNamed, columns, delimiter, required);
        }
        catch (NlftException error) when (required.Count > 0 && CountGaps(path, found, isNamed, columns, delimiter, required) is > 1 and var gaps)
        {
            throw new NlftException(error.Subject, $"{error.Found}, as in {gaps} rows in all", error.Expected, error.Remedy, error);
        }
    }

    private static IReadOnlyList<DataRow> Parse(
        string path, RowFormat format, bool isNamed, DataColumns columns, char? delimiter, IReadOnlyList<string> required)
    {
        IReadOnlyList<DataRow> rows = format switch
        {
            RowFormat.JsonLines => ReadRows(Lines(path), columns, required),
            RowFormat.Csv => DelimitedFormat.Read(path, delimiter ?? ',', columns, required),
            RowFormat.Tsv => DelimitedFormat.Read(path, delimiter ?? '\t', columns, required),
            RowFormat.Gsm8k => [.. Lines(path).Select(JsonFormat.ReadGsm8k)],
            RowFormat.Nlft when isNamed => ReadList(path, answers: true, columns: null, required),
            RowFormat.Nlft => ReadList(path, required.Contains(nameof(DataRow.Answer)) ? true : null, columns, required),
            RowFormat.Cut => ReadList(path, answers: false, columns: null, required),
            var other => throw new NlftException($"{path}, format", $"{other}, which can only be written", "JsonLines, Csv, Tsv, Gsm8k, Nlft or Cut",
                "Name the format that the file has."),
        };
        foreach (var row in rows)
        {
            foreach (var property in required)
                row.Require(property);
        }
        return rows;
    }

    /// <summary>Counts the rows that lack a required text; 0 when that is not what is wrong with the file.</summary>
    private static int CountGaps(
        string path, RowFormat format, bool isNamed, DataColumns columns, char? delimiter, IReadOnlyList<string> required)
    {
        try
        {
            var rows = Parse(path, format, isNamed, columns, delimiter, []);
            var gaps = rows.Count(row => required.Any(property => row.Text(property) is null));
            return gaps < rows.Count ? gaps : 0;
        }
        catch (NlftException)
        {
            return 0;
        }
    }

    /// <summary>Reads all rows of a file as rows to train on. Each needs a question, a response and an answer.</summary>
    /// <param name="path">The file.</param>
    /// <param name="format">As for <see cref="Read"/>.</param>
    /// <param name="columns">As for <see cref="Read"/>.</param>
    /// <exception cref="NlftException">As for <see cref="Read"/>.</exception>
    public static IReadOnlyList<TrainingExample> ReadExamples(string path, RowFormat? format = null, DataColumns? columns = null) =>
        [.. Read(path, format, columns, required: s_complete).Select(row => row.ToExample())];

    /// <summary>Streams the rows of a file; nothing is read before the first row is requested.</summary>
    /// <param name="path">The file.</param>
    /// <param name="format">As for <see cref="Read"/>.</param>
    /// <param name="columns">As for <see cref="Read"/>.</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    /// <exception cref="NlftException">As for <see cref="Read"/>.</exception>
    public static async IAsyncEnumerable<DataRow> ReadAsync(
        string path, RowFormat? format = null, DataColumns? columns = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var row in await Task.Run(() => Read(path, format, columns), cancellationToken).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return row;
        }
    }

    /// <summary>
    /// Reads GSM8K's example_model_solutions.jsonl (K. Cobbe et al., arXiv 2110.14168): questions, gold solutions and the solutions of one model.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="model">6b_finetuning, 6b_verification, 175b_finetuning or 175b_verification.</param>
    /// <returns>Rows with question, answer and response; the score is 1 when the final answer was counted as right, else 0.</returns>
    /// <exception cref="NlftException">
    /// As for <see cref="Read"/>, or a row has no solution by the model, or its gold solution does not end in a number.
    /// </exception>
    public static IReadOnlyList<DataRow> ReadGsm8kSolutions(string path, string model = "6b_finetuning")
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return [.. Lines(path).Select(row => JsonFormat.ReadGsm8kSolution(row, model))];
    }

    /// <summary>Writes rows to a file, atomically.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="format">The format; null: by the extension, .json being <see cref="RowFormat.Nlft"/>.</param>
    /// <param name="columns">The names of the columns or keys, where the format leaves them open; null: the default ones.</param>
    /// <exception cref="NlftException">
    /// A row lacks a text that the format needs, has an ill-formed one, or the format is for reading only.
    /// </exception>
    public static void Write(string path, IEnumerable<DataRow> rows, RowFormat? format = null, DataColumns? columns = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(rows);
        columns ??= new();
        columns.Validate();
        Action<Stream> write = (format ?? FormatOf(path)) switch
        {
            RowFormat.JsonLines => stream => JsonFormat.WriteJsonLines(stream, rows, columns, row => $"row {row} to be written to {path}"),
            RowFormat.Csv => stream => DelimitedFormat.Write(stream, rows, ',', columns),
            RowFormat.Tsv => stream => DelimitedFormat.Write(stream, rows, '\t', columns),
            RowFormat.Nlft => stream => JsonFormat.WritePublished(stream, rows, answers: true),
            RowFormat.Cut => stream => JsonFormat.WritePublished(stream, rows, answers: false),
            RowFormat.Sft => stream => JsonFormat.WriteCompletions(stream, rows, nameof(DataRow.Response)),
            RowFormat.SftGold => stream => JsonFormat.WriteCompletions(stream, rows, nameof(DataRow.Answer)),
            RowFormat.Reft => stream => JsonFormat.WriteReft(stream, rows),
            var other => throw new NlftException($"{path}, format", $"{other}, which can only be read",
                "JsonLines, Csv, Tsv, Nlft, Cut, Sft, SftGold or Reft", "Name a format that can be written."),
        };
        AtomicFile.Write(path, write);
    }

    /// <summary>Writes rows to train on as <see cref="Write"/> does.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="examples">The rows.</param>
    /// <param name="format">As for <see cref="Write"/>.</param>
    /// <param name="columns">As for <see cref="Write"/>.</param>
    /// <exception cref="NlftException">As for <see cref="Write"/>, or a row has an empty response or answer.</exception>
    public static void WriteExamples(string path, IEnumerable<TrainingExample> examples, RowFormat? format = null, DataColumns? columns = null)
    {
        ArgumentNullException.ThrowIfNull(examples);
        Write(path, examples.Select((example, at) =>
        {
            var row = DataRow.Of(example);
            foreach (var property in s_complete) (row with { Source = $"row {at + 1} to be written to {path}" }).Require(property);
            return row;
        }), format, columns);
    }

    /// <summary>Writes rows to a stream as JSON Lines, with further keys for results.</summary>
    /// <param name="stream">The stream; it stays open.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The keys; null: the default ones.</param>
    /// <param name="results">
    /// Further keys of a row by its place from 0: null ones are left out; null: no further keys.
    /// </param>
    /// <exception cref="NlftException">A row has a blank question, or a text that is not valid Unicode.</exception>
    public static void WriteJsonLines(Stream stream, IEnumerable<DataRow> rows, DataColumns? columns = null,
        Func<int, IEnumerable<(string Name, JsonNode? Value)>>? results = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(rows);
        columns ??= new();
        columns.Validate();
        JsonFormat.WriteJsonLines(stream, rows, columns, row => $"row {row} to be written", results);
    }

    /// <summary>Returns the format that the extension of a file means.</summary>
    private static RowFormat FormatOf(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".jsonl" or ".ndjson" => RowFormat.JsonLines,
        ".csv" or ".txt" => RowFormat.Csv,
        ".tsv" or ".tab" => RowFormat.Tsv,
        ".json" => RowFormat.Nlft,
        var other => throw new NlftException(path, other.Length == 0 ? "a name without an extension" : $"the extension {other}",
            ".jsonl, .csv, .tsv or .json", "Name the file by its format, or name the format."),
    };

    /// <summary>Returns the format of a file: that of its extension, but a .json file that is no list is <see cref="RowFormat.JsonLines"/>.</summary>
    private static RowFormat FormatIn(string path) =>
        FormatOf(path) is var format && format == RowFormat.Nlft && !IsList(path) ? RowFormat.JsonLines : format;

    /// <summary>Reads the names of a file's columns: its header, or the keys of its first object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="delimiter">What separates the fields of CSV or TSV; null: a comma or a tab.</param>
    /// <param name="isList">Whether the file is one JSON list.</param>
    internal static string[] ColumnNames(string path, char? delimiter, out bool isList)
    {
        var format = FormatIn(path);
        isList = format == RowFormat.Nlft;
        ForeignFile.Refuse(path, format);
        return [.. format switch
        {
            RowFormat.Csv => DelimitedFormat.ColumnNames(path, delimiter ?? ','),
            RowFormat.Tsv => DelimitedFormat.ColumnNames(path, delimiter ?? '\t'),
            _ => Objects(path, delimiter).First().Members().Select(member => member.Name),
        }];
    }

    /// <summary>Reads the rows of a file as objects with the columns as names; a blank field of CSV or TSV is null.</summary>
    /// <param name="path">The file.</param>
    /// <param name="delimiter">What separates the fields of CSV or TSV; null: a comma or a tab.</param>
    internal static IEnumerable<JsonPlace> Objects(string path, char? delimiter) => FormatIn(path) switch
    {
        RowFormat.Csv => DelimitedFormat.Objects(path, delimiter ?? ','),
        RowFormat.Tsv => DelimitedFormat.Objects(path, delimiter ?? '\t'),
        RowFormat.Nlft => JsonRows.ReadList(path),
        _ => JsonRows.ReadLines(path),
    };

    private static IEnumerable<JsonFields> Lines(string path) => JsonRows.ReadLines(path).Select(row => new JsonFields(row));

    private static List<DataRow> ReadRows(IEnumerable<JsonFields> rows, DataColumns columns, IReadOnlyList<string> required)
    {
        var check = new ColumnCheck(columns);
        return [.. rows.Select(row =>
        {
            check.Require(row.Place, row.Keys);
            return JsonFormat.ReadLine(row, columns, required);
        })];
    }

    /// <param name="path">The file.</param>
    /// <param name="answers">Whether every published row must have an answer; null: if the first one does.</param>
    /// <param name="columns">The keys of rows that are not published ones, if there may be such rows; else null.</param>
    /// <param name="required">The properties of those rows that must be there.</param>
    private static List<DataRow> ReadList(string path, bool? answers, DataColumns? columns, IReadOnlyList<string> required)
    {
        if (columns is not null && new JsonFields(JsonRows.ReadList(path).First()) is var first && first.Has(columns.Question)
            && !first.Has("instruction"))
        {
            return ReadRows(JsonRows.ReadList(path).Select(row => new JsonFields(row)), columns, required);
        }
        var check = ColumnCheck.OfPublished();
        return [.. JsonRows.ReadList(path).Select(row =>
        {
            var fields = new JsonFields(row);
            check.Require(fields.Place, fields.Keys);
            answers ??= fields.Has("answer");
            return JsonFormat.ReadPublished(fields, answers.Value);
        })];
    }

    /// <summary>Whether a .json file begins with a bracket; a file that cannot be opened is left to the reader, whose message says why.</summary>
    private static bool IsList(string path)
    {
        try
        {
            using var text = new StreamReader(InputFile.Open(path, "rows")); // skips a byte order mark
            int letter;
            while ((letter = text.Read()) >= 0)
                if (!char.IsWhiteSpace((char)letter)) return letter == '[';
            return false;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NlftException)
        {
            return true;
        }
    }
}
