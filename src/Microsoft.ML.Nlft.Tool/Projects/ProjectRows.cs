using System.Text;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Projects;

/// <summary>The files of rows as a project reads them: JSON by the library, delimited text by ML.NET's own loader.</summary>
internal static class ProjectRows
{
    /// <summary>Returns what separates the fields of a file; null: it is JSON.</summary>
    /// <exception cref="NlftException">The project could not read the file.</exception>
    public static char? Separator(string path, char? delimiter) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".csv" => delimiter ?? ',',
        ".tsv" => delimiter ?? '\t',
        ".json" or ".jsonl" => null,
        var other => throw new NlftException(path, other.Length > 0 ? $"the extension {other}" : "no extension",
            ".jsonl, .json, .csv or .tsv", "Write the rows in one of these formats (nlft export)."),
    };

    /// <summary>Reads the rows to evaluate with: in the format of those to train on, with the same columns, and with answers.</summary>
    /// <exception cref="NlftException">They are otherwise.</exception>
    public static IReadOnlyList<DataRow> ReadTest(string path, string data, char? separator, ToolOptions options)
    {
        if (!Path.GetExtension(path).Equals(Path.GetExtension(data), StringComparison.OrdinalIgnoreCase))
        {
            throw new NlftException(path, "another format than that of --data", $"a {Path.GetExtension(data)} file",
                "The project reads both in one way: convert one of them (nlft export).");
        }
        if (separator is { } by && !Header(path, by).SequenceEqual(Header(data, by), StringComparer.OrdinalIgnoreCase))
        {
            throw new NlftException($"{path}, line 1", "other columns than those of --data", string.Join(by, Header(data, by)),
                "The project reads both in one way: give both files the same columns in the same order.");
        }
        return DataFile.Read(path, format: null, options.Columns, separator, [nameof(DataRow.Answer)]);
    }

    /// <summary>Returns the columns of a delimited file, without those that have no name.</summary>
    public static IReadOnlyList<ProjectColumn> Columns(string path, char separator) =>
        ProjectColumn.Of(Header(path, separator).Select((name, index) => (name, (int?)index)).Where(column => column.name.Length > 0));

    /// <summary>Returns the columns that the library makes of JSON.</summary>
    public static IReadOnlyList<ProjectColumn> DefaultColumns(IReadOnlyList<DataRow> rows)
    {
        string[] names = ["Question", "Response", "Judgment", "Answer", "Instruction"];
        return ProjectColumn.Of((rows.Any(row => row.Instruction is not null) ? names : names[..^1]).Select(name => (name, (int?)null)));
    }

    private static string[] Header(string path, char separator)
    {
        using var reader = new StreamReader(InputFile.Open(path, "a CSV or TSV file"), new UTF8Encoding(false, throwOnInvalidBytes: true));
        return [.. new DelimitedText(reader, path, separator).Records().First().Fields.Select(name => name.Trim())];
    }
}
