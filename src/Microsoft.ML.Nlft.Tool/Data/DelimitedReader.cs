using System.Globalization;
using System.Text;
using CsvHelper;
using CsvHelper.Configuration;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>
/// Reads rows from CSV or TSV (RFC 4180): UTF-8, a header line, quoted fields may hold separators, line breaks and doubled quotes. Other
/// columns are ignored; upper and lower case of column names too.
/// </summary>
internal sealed class DelimitedReader
{
    private readonly string _path;
    private readonly char _delimiter;
    private readonly JsonLinesNames _names;
    private string[] _header = [];

    private DelimitedReader(string path, char delimiter, JsonLinesNames names) => (_path, _delimiter, _names) = (path, delimiter, names);

    /// <summary>Reads all rows.</summary>
    /// <param name="path">The file.</param>
    /// <param name="delimiter">What separates the fields.</param>
    /// <param name="names">The column names.</param>
    /// <param name="required">Properties of <see cref="JsonLinesRow"/> whose column must be there besides the question's.</param>
    /// <exception cref="NlftException">The first fault, with line and, where there is one, column.</exception>
    public static IReadOnlyList<JsonLinesRow> Read(string path, char delimiter, JsonLinesNames names, params string[] required)
    {
        if (!File.Exists(path)) throw new NlftException(path, Directory.Exists(path) ? "a folder" : "no file", "a CSV or TSV file", "Check the path.");
        return new DelimitedReader(path, delimiter, names).ReadAll(required);
    }

    private List<JsonLinesRow> ReadAll(string[] required)
    {
        using var text = new StreamReader(_path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        using var parser = new CsvParser(text, new CsvConfiguration(CultureInfo.InvariantCulture)
        {
            Delimiter = _delimiter.ToString(),
            BadDataFound = fault => throw BadData(fault),
        });
        var rows = new List<JsonLinesRow>();
        var line = 1;
        try
        {
            if (!parser.Read()) throw new NlftException(_path, "an empty file", "a header line and rows", "Put the column names into the first line.");
            UseHeader(parser.Record!, required);
            for (line = parser.RawRow + 1; parser.Read(); line = parser.RawRow + 1) rows.Add(Row(parser));
        }
        catch (DecoderFallbackException error)
        {
            throw new NlftException($"{_path}, at line {line} or soon after", "bytes that are not UTF-8", "UTF-8 text", "Save the file as UTF-8.", error);
        }
        return rows.Count > 0 ? rows : throw new NlftException(_path, "a header line alone", "at least one row", "Put a row below the column names.");
    }

    private void UseHeader(string[] header, string[] required)
    {
        _header = [.. header.Select(name => name.Trim())];
        if (_header.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Key.Length > 0 && group.Count() > 1) is { } twice)
            throw new NlftException($"{_path}, line 1", $"the column \"{twice.Key}\" twice", "each column once (names ignore case)", "Rename one of them.");
        foreach (var (property, name) in (IEnumerable<(string, string)>)[(nameof(_names.Question), _names.Question), (nameof(_names.Response), _names.Response),
            (nameof(_names.Judgment), _names.Judgment), (nameof(_names.Answer), _names.Answer)])
        {
            if (Column(name) >= 0 || (property != nameof(_names.Question) && !required.Contains(property))) continue;
            var other = _header.Length == 1 && _header[0].IndexOfAny([';', '\t', ',']) is var at and >= 0 ? _header[0][at].ToString() : null;
            var remedy = other is not null ? $"Separate the fields by --delimiter \"{(other == "\t" ? "\\t" : other)}\"."
                : NearestName.Find(name, _header) is { } near ? $"If it is the column {near}, say --column-{property.ToLowerInvariant()} {near}."
                : $"Add it, or name the column that holds it with --column-{property.ToLowerInvariant()}.";
            throw new NlftException($"{_path}, line 1", $"the columns {string.Join(", ", _header.Select(column => $"\"{column}\""))}", $"a column \"{name}\"", remedy);
        }
    }

    private JsonLinesRow Row(CsvParser parser)
    {
        var raw = parser.RawRecord;
        var place = $"{_path}, line {parser.RawRow - Breaks(raw.AsSpan().TrimEnd("\r\n"))}";
        for (var i = 0; i < parser.Count; i++) _ = parser[i]; // a field's quotes are looked at when it is read, and a lost one explains the count
        if (parser.Count != _header.Length)
            throw new NlftException(place, $"{parser.Count} fields", $"{_header.Length}, as in the header",
                "Put quotes around fields that hold the separator, and double the quotes inside.");
        string? Field(string name) => Column(name) is var at and >= 0 && !string.IsNullOrWhiteSpace(parser[at]) ? parser[at] : null;
        var question = Field(_names.Question)
            ?? throw new NlftException($"{place}, \"{_names.Question}\"", "an empty field", "a text", "Fill it in or leave the row out.");
        return new JsonLinesRow(question, Field(_names.Response), Field(_names.Judgment), Field(_names.Answer), Field(_names.Instruction), place);
    }

    private int Column(string name) => Array.FindIndex(_header, column => string.Equals(column, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>A quote that is never closed, or one in the middle of a field.</summary>
    private NlftException BadData(BadDataFoundArgs fault)
    {
        var (raw, field) = (fault.RawRecord, fault.Field);
        var unclosed = raw.Count(letter => letter == '"') % 2 == 1 && field.StartsWith('"');
        var first = fault.Context.Parser!.RawRow - Breaks(unclosed ? raw : raw.AsSpan().TrimEnd("\r\n"));
        var before = raw.AsSpan(0, Math.Max(0, raw.IndexOf(field, StringComparison.Ordinal)));
        var (line, column) = (first + Breaks(before), before.Length - before.LastIndexOf('\n'));
        return unclosed
            ? new NlftException($"{_path}, line {line}, column {column}", "a quote that is never closed", "a closing quote", "Close it, or double the quotes inside the field.")
            : new NlftException($"{_path}, line {line}, column {column}", $"a quote inside the field {Shortened(field)}", "quotes around whole fields only",
                "Put quotes around the field and double those inside.");
    }

    private static int Breaks(ReadOnlySpan<char> text) => text.Count('\n');

    private static string Shortened(string field) => field.Length <= 40 ? field : field[..40] + "...";
}
