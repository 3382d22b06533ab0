using System.Text;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Reads rows from CSV or TSV (RFC 4180): UTF-8, a header line, quoted fields may hold separators, line breaks and doubled quotes. Other
/// columns are ignored; upper and lower case of column names too.
/// </summary>
public static class DelimitedReader
{
    /// <summary>Reads all rows.</summary>
    /// <param name="path">The file.</param>
    /// <param name="delimiter">What separates the fields.</param>
    /// <param name="names">The column names; null: the default ones. Columns Id and Score are read, too.</param>
    /// <param name="required">Properties of <see cref="JsonLinesRow"/> whose column must be there besides the question's.</param>
    /// <exception cref="NlftException">The first fault, with line and, where there is one, column.</exception>
    public static IReadOnlyList<JsonLinesRow> Read(string path, char delimiter = ',', JsonLinesNames? names = null, params IReadOnlyList<string> required)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(required);
        names ??= new();
        names.Validate();
        if (!File.Exists(path)) throw new NlftException(path, Directory.Exists(path) ? "a folder" : "no file", "a CSV or TSV file", "Check the path.");
        using var reader = new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        var text = new DelimitedText(reader, path, delimiter);
        var rows = new List<JsonLinesRow>();
        try
        {
            Header? header = null;
            foreach (var record in text.Records())
            {
                if (header is null) (header = new Header(path, record, names)).Require(required);
                else rows.Add(header.Row(record));
            }
            if (header is null) throw new NlftException(path, "an empty file", "a header line and rows", "Put the column names into the first line.");
        }
        catch (DecoderFallbackException error)
        {
            throw new NlftException($"{path}, at line {text.Line} or soon after", "bytes that are not UTF-8", "UTF-8 text", "Save the file as UTF-8.", error);
        }
        return rows.Count > 0 ? rows : throw new NlftException(path, "a header line alone", "at least one row", "Put a row below the column names.");
    }

    /// <summary>The columns of a file.</summary>
    private sealed class Header
    {
        private readonly string _path;
        private readonly int _line;
        private readonly string[] _columns;
        private readonly JsonLinesNames _names;

        public Header(string path, DelimitedRecord record, JsonLinesNames names)
        {
            (_path, _line, _columns, _names) = (path, record.Line, [.. record.Fields.Select(name => name.Trim())], names);
            if (_columns.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Key.Length > 0 && group.Count() > 1) is { } twice)
                throw new NlftException($"{path}, line {_line}", $"the column \"{twice.Key}\" twice", "each column once (names ignore case)", "Rename one of them.");
        }

        public void Require(IReadOnlyList<string> required)
        {
            foreach (var (property, name) in (IEnumerable<(string, string)>)[(nameof(_names.Question), _names.Question), (nameof(_names.Response), _names.Response),
                (nameof(_names.Judgment), _names.Judgment), (nameof(_names.Answer), _names.Answer)])
            {
                if (Column(name) >= 0 || (property != nameof(_names.Question) && !required.Contains(property))) continue;
                var other = _columns.Length == 1 && _columns[0].IndexOfAny([';', '\t', ',']) is var at and >= 0 ? _columns[0][at].ToString() : null;
                var remedy = other is not null ? $"Name the delimiter {(other == "\t" ? "\\t" : other)} (nlft: --delimiter \"{(other == "\t" ? "\\t" : other)}\")."
                    : $"Add it, or name the column that holds it (JsonLinesNames.{property}; nlft: --column-{property.ToLowerInvariant()}).";
                throw new NlftException($"{_path}, line {_line}", $"the columns {string.Join(", ", _columns.Select(column => $"\"{column}\""))}", $"a column \"{name}\"", remedy);
            }
        }

        public JsonLinesRow Row(DelimitedRecord record)
        {
            var place = $"{_path}, line {record.Line}";
            if (record.Fields.Count != _columns.Length)
                throw new NlftException(place, $"{record.Fields.Count} fields", $"{_columns.Length}, as in the header",
                    "Put quotes around fields that hold the separator, and double the quotes inside.");
            string? Field(string name) => Column(name) is var at and >= 0 && !string.IsNullOrWhiteSpace(record.Fields[at]) ? record.Fields[at] : null;
            var question = Field(_names.Question)
                ?? throw new NlftException($"{place}, \"{_names.Question}\"", "an empty field", "a text", "Fill it in or leave the row out.");
            return new JsonLinesRow(question, Field(_names.Response), Field(_names.Judgment), Field(_names.Answer), Field(_names.Instruction), place)
            {
                Id = Field("Id"),
                Score = double.TryParse(Field("Score"), System.Globalization.CultureInfo.InvariantCulture, out var score) ? score : null,
            };
        }

        private int Column(string name) => Array.FindIndex(_columns, column => string.Equals(column, name, StringComparison.OrdinalIgnoreCase));
    }
}
