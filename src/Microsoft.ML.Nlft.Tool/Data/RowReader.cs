using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>Reads rows from JSON Lines, CSV, TSV or a JSON list of the published form, by the file's extension.</summary>
internal static class RowReader
{
    /// <summary>Reads all rows.</summary>
    /// <param name="path">The file.</param>
    /// <param name="names">Its property or column names.</param>
    /// <param name="delimiter">Separates the fields of a CSV file; null: a comma.</param>
    /// <param name="required">Properties of <see cref="JsonLinesRow"/> that must be filled in every row; the question always is.</param>
    /// <exception cref="NlftException">The first fault of the file, with its line.</exception>
    public static IReadOnlyList<JsonLinesRow> Read(string path, JsonLinesNames names, char? delimiter, params string[] required)
    {
        var rows = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".json" when IsList(path) => DataFile.Read(path),
            ".jsonl" or ".ndjson" or ".json" => JsonLinesReader.ReadRows(path, names),
            ".csv" or ".txt" => DelimitedReader.Read(path, delimiter ?? ',', names, required),
            ".tsv" or ".tab" => DelimitedReader.Read(path, delimiter ?? '\t', names, required),
            var other => throw new NlftException(path, other.Length == 0 ? "a name without an extension" : $"the extension {other}", ".jsonl, .csv, .tsv or .json",
                "Name the file by its format."),
        };
        foreach (var row in rows)
            foreach (var (property, name, text) in Fields(row, names))
                if (text is null && required.Contains(property))
                    throw new NlftException($"{row.Source}, \"{name}\"", "nothing", "a text", "Fill it in or leave the row out.");
        return rows;
    }

    /// <summary>A row to train on. A row without an answer, where one is not needed, is its own answer.</summary>
    public static TrainingExample ToExample(JsonLinesRow row) => new()
    {
        Question = row.Question,
        Response = row.Response!,
        Judgment = row.Judgment,
        Answer = row.Answer ?? row.Response!,
        Instruction = row.Instruction,
        Source = row.Source,
    };

    /// <summary>Whether a file is one JSON list, as the published data files are; JSON Lines begin with a brace.</summary>
    private static bool IsList(string path)
    {
        if (!File.Exists(path)) return false;
        using var text = new StreamReader(path);
        int letter;
        while ((letter = text.Read()) >= 0)
            if (!char.IsWhiteSpace((char)letter)) return letter == '[';
        return false;
    }

    private static IEnumerable<(string Property, string Name, string? Text)> Fields(JsonLinesRow row, JsonLinesNames names) =>
    [
        (nameof(row.Response), names.Response, row.Response), (nameof(row.Judgment), names.Judgment, row.Judgment), (nameof(row.Answer), names.Answer, row.Answer),
    ];
}
