using System.Text;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Data;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of rows.</summary>
internal static class RowTargets
{
    private static readonly string[] s_cells = ["\"", "\"\"", "\"a\nb\"", ",", "\t", ";", "\r", "\n", "\r\n", "", " ", "\uFEFF", "\0", "Question",
        "Answer", "=1+1", "a\"b", "\"a\"b", "\u00e9\u2028"];

    private static readonly Texts s_texts = new(Encoding.UTF8, Changes: 5, Part: 20, Longest: 8000);

    /// <summary>Gets the targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        Rows("jsonlines", "jsonl", Lines),
        Rows("jsonlist", "json", Json.Mutate),
        Rows("csv", "csv", Cells),
        Rows("tsv", "tsv", Cells),
        new("parquet", "rows.parquet", SeedFiles.Of("parquet"), ParquetBytes.Mutate, folder => ParquetRows.Read(Path.Combine(folder, "rows.parquet")))
        {
            Library = typeof(ParquetRows),
        },
        new("chats", "rows.jsonl", SeedFiles.Of("chats"), Lines, folder => TrainingFile.Read(Path.Combine(folder, "rows.jsonl"))),
    ];

    /// <summary>A reader of rows in the format of an extension, read for every purpose: the first refusal ends it.</summary>
    private static Target Rows(string name, string extension, Func<Draw, byte[], byte[]> mutate)
    {
        var file = $"rows.{extension}";
        return new(name, file, SeedFiles.Of(name), mutate, folder =>
        {
            var path = Path.Combine(folder, file);
            DataFile.Read(path);
            TrainingFile.Read(path);
            DataFile.ReadExamples(path);
        });
    }

    private static byte[] Lines(Draw random, byte[] input)
    {
        var lines = Encoding.UTF8.GetString(input).Split('\n');
        if (random.Next(3) == 0) return Bytes.Mutate(random, input);
        var at = random.Next(lines.Length);
        return Encoding.UTF8.GetBytes(string.Join('\n', lines.Select((line, i) => i == at
            ? Encoding.UTF8.GetString(Json.Mutate(random, Encoding.UTF8.GetBytes(line))) : line)));
    }

    /// <summary>Changes a field, or moves, repeats or removes one, or changes bytes.</summary>
    private static byte[] Cells(Draw random, byte[] input) => random.Next(3) == 0 ? Bytes.Mutate(random, input)
        : s_texts.Mutate(random, input, s_cells);
}
