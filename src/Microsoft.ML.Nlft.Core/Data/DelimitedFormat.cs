using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Reads and writes CSV and TSV (RFC 4180): UTF-8, a header line, then rows; quoted fields may hold separators, line breaks and doubled quotes.
/// Unknown columns and the case of column names are ignored.
/// </summary>
internal static class DelimitedFormat
{
    private const string Id = nameof(DataRow.Id), Score = nameof(DataRow.Score);

    /// <summary>Reads all rows.</summary>
    /// <param name="path">The file.</param>
    /// <param name="delimiter">What separates the fields.</param>
    /// <param name="columns">The column names.</param>
    /// <param name="required">Properties of <see cref="DataRow"/> that every row must fill in besides the question.</param>
    /// <exception cref="NlftException">The first fault, with line and, where there is one, column.</exception>
    public static IReadOnlyList<DataRow> Read(string path, char delimiter, DataColumns columns, IReadOnlyList<string> required) =>
        Read<DataRow>(path, delimiter, (fields, line) => new Header(path, fields, line, columns, required).Row);

    /// <summary>Reads all rows as objects with the columns as names and the fields as texts; a blank field is null.</summary>
    /// <param name="path">The file.</param>
    /// <param name="delimiter">What separates the fields.</param>
    /// <exception cref="NlftException">As for <see cref="Read(string, char, DataColumns, IReadOnlyList{string})"/>.</exception>
    public static IReadOnlyList<JsonPlace> Objects(string path, char delimiter) => Read<JsonPlace>(path, delimiter, (header, at) =>
    {
        var names = Names(path, header, at);
        return (fields, line) =>
        {
            var place = RequireCount(path, fields, line, names);
            var row = names.Zip(fields).Where(field => field.First.Length > 0)
                .ToDictionary(field => field.First, field => string.IsNullOrWhiteSpace(field.Second) ? null : field.Second);
            return new JsonPlace(JsonSerializer.SerializeToElement(row, DataJson.Default.DictionaryStringString), new JsonSource(place));
        };
    });

    /// <summary>Reads the names of the columns alone, without those that are blank.</summary>
    /// <param name="path">The file.</param>
    /// <param name="delimiter">What separates the fields.</param>
    /// <exception cref="NlftException">The file is missing, empty or not UTF-8, or a name stands twice.</exception>
    public static IEnumerable<string> ColumnNames(string path, char delimiter) => Open(path, delimiter, text =>
    {
        foreach (var (fields, line) in text.Records()) return Names(path, fields, line).Where(name => name.Length > 0);
        throw Empty(path);
    });

    /// <summary>Reads all rows with the reader of a row that <paramref name="open"/> makes from the header.</summary>
    private static List<T> Read<T>(string path, char delimiter, Func<IReadOnlyList<string>, int, Func<IReadOnlyList<string>, int, T>> open) =>
        Open(path, delimiter, text =>
    {
        var rows = new List<T>();
        Func<IReadOnlyList<string>, int, T>? read = null;
        int? empty = null; // spreadsheets write rows of separators alone below the last row
        foreach (var (fields, line) in text.Records())
        {
            if (read is not null && fields.All(string.IsNullOrWhiteSpace))
            {
                empty ??= line;
                continue;
            }
            if (empty is not null) throw new NlftException($"{path}, line {empty}", "a row of separators alone", "a row", "Delete the line.");
            if (read is null) read = open(fields, line);
            else rows.Add(read(fields, line));
        }
        if (read is null) throw Empty(path);
        return rows.Count > 0 ? rows
            : throw new NlftException(path, "a header line alone", "at least one row", "Put a row below the column names.");
    });

    private static NlftException Empty(string path) =>
        new(path, "an empty file", "a header line and rows", "Put the column names into the first line.");

    private static T Open<T>(string path, char delimiter, Func<DelimitedText, T> read)
    {
        if (!File.Exists(path))
            throw new NlftException(path, Directory.Exists(path) ? "a folder" : "no file", "a CSV or TSV file", "Check the path.");
        using var reader = new StreamReader(InputFile.Open(path, "a CSV or TSV file"), new UTF8Encoding(false, throwOnInvalidBytes: true));
        var text = new DelimitedText(reader, path, delimiter);
        try
        {
            return read(text);
        }
        catch (DecoderFallbackException error)
        {
            throw new NlftException($"{path}, at line {text.Line} or soon after", "bytes that are not UTF-8", "UTF-8 text", "Save the file as UTF-8.",
                error);
        }
    }

    /// <summary>Writes rows with all columns; missing values are empty fields.</summary>
    public static void Write(Stream stream, IEnumerable<DataRow> rows, char delimiter, DataColumns columns)
    {
        string[] names = [Id, columns.Question, columns.Response, columns.Judgment, columns.Answer, columns.Instruction, Score];
        using var text = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        text.WriteLine(string.Join(delimiter, names.Select(name => Quoted(name, delimiter))));
        foreach (var row in rows)
        {
            var score = row.Score?.ToString("R", CultureInfo.InvariantCulture);
            string?[] fields = [row.Id, row.Question, row.Response, row.Judgment, row.Answer, row.Instruction, score];
            text.WriteLine(string.Join(delimiter,
                fields.Select((field, i) => Quoted(JsonFormat.WellFormed(field ?? "", $"{row.Source}, {names[i]}"), delimiter))));
        }
    }

    /// <summary>Returns the names of the columns.</summary>
    /// <exception cref="NlftException">Two are equal but for their case.</exception>
    private static string[] Names(string path, IReadOnlyList<string> fields, int line)
    {
        string[] names = [.. fields.Select(name => name.Trim())];
        var twice = names.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Key.Length > 0 && group.Count() > 1);
        return twice is null ? names : throw new NlftException($"{path}, line {line}", $"the column \"{twice.Key}\" twice",
            "each column once (names ignore case)", "Rename one of them.");
    }

    /// <summary>Returns the place of a row, which must have as many fields as there are columns.</summary>
    private static string RequireCount(string path, IReadOnlyList<string> fields, int line, string[] names)
    {
        var place = $"{path}, line {line}";
        return fields.Count == names.Length ? place : throw new NlftException(place, $"{fields.Count} fields", $"{names.Length}, as in the header",
            "Put quotes around fields that hold the separator, and double the quotes inside.");
    }

    private static string Quoted(string field, char delimiter) =>
        field.AsSpan().IndexOfAny(['"', '\r', '\n', delimiter]) < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>The columns of a file.</summary>
    private sealed class Header
    {
        private readonly string _path;
        private readonly string[] _names;
        private readonly Column _question, _response, _judgment, _answer, _instruction, _id, _score;

        public Header(string path, IReadOnlyList<string> fields, int line, DataColumns columns, IReadOnlyList<string> required)
        {
            (_path, _names) = (path, Names(path, fields, line));
            new ColumnCheck(columns).Require($"{path}, line {line}", _names);
            Column Find(string property, string name, bool isRequired)
            {
                var at = Array.FindIndex(_names, column => string.Equals(column, name, StringComparison.OrdinalIgnoreCase));
                return at >= 0 || !isRequired ? new Column(name, at, isRequired) : throw NoSuchColumn(line, property, name);
            }
            bool Required(string property) => required.Contains(property);
            _question = Find(nameof(columns.Question), columns.Question, isRequired: true);
            _response = Find(nameof(columns.Response), columns.Response, Required(nameof(columns.Response)));
            _judgment = Find(nameof(columns.Judgment), columns.Judgment, Required(nameof(columns.Judgment)));
            _answer = Find(nameof(columns.Answer), columns.Answer, Required(nameof(columns.Answer)));
            _instruction = Find(nameof(columns.Instruction), columns.Instruction, Required(nameof(columns.Instruction)));
            (_id, _score) = (Find(Id, Id, isRequired: false), Find(Score, Score, isRequired: false));
        }

        public DataRow Row(IReadOnlyList<string> fields, int line)
        {
            var place = RequireCount(_path, fields, line, _names);
            string? Field(Column column) => column.At >= 0 && !string.IsNullOrWhiteSpace(fields[column.At]) ? fields[column.At]
                : !column.IsRequired ? null
                : throw new NlftException($"{place}, \"{column.Name}\"", "an empty field", "a text", "Fill it in or leave the row out.");
            return new DataRow
            {
                Question = Field(_question)!,
                Response = Field(_response),
                Judgment = Field(_judgment),
                Answer = Field(_answer),
                Instruction = Field(_instruction),
                Id = Field(_id),
                Score = double.TryParse(Field(_score), CultureInfo.InvariantCulture, out var score) ? score : null,
                Source = place,
            };
        }

        private NlftException NoSuchColumn(int line, string property, string name)
        {
            var other = _names.Length == 1 && _names[0].IndexOfAny([';', '\t', ',']) is var at and >= 0 ? _names[0][at].ToString() : null;
            if (other == "\t") other = "\\t";
            var remedy = other is not null ? $"Name the delimiter {other} (nlft: --delimiter \"{other}\")."
                : $"Add it, or name the column that holds it ({nameof(DataColumns)}.{property}; nlft: --column-{property.ToLowerInvariant()}).";
            return new NlftException($"{_path}, line {line}", $"the columns {NameList.Quoted(_names)}", $"a column \"{name}\"", remedy);
        }

        /// <summary>A column by its name and its place among the fields, -1 when the file does not have it.</summary>
        private readonly record struct Column(string Name, int At, bool IsRequired);
    }
}
