using System.Text;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of rows.</summary>
internal static class RowTargets
{
    private static readonly string[] s_cells = ["\"", "\"\"", "\"a\nb\"", ",", "\t", ";", "\r", "\n", "\r\n", "", " ", "\uFEFF", "\0", "Question",
        "Answer", "=1+1", "a\"b", "\"a\"b", "\u00e9\u2028"];

    /// <summary>Gets the targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        Rows("jsonlines", "jsonl", Lines),
        Rows("jsonlist", "json", Json.Mutate),
        Rows("csv", "csv", Cells),
        Rows("tsv", "tsv", Cells),
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
    private static byte[] Cells(Draw random, byte[] input)
    {
        if (random.Next(3) == 0) return Bytes.Mutate(random, input);
        var text = new StringBuilder(Encoding.UTF8.GetString(input));
        for (var changes = random.Next(1, 5); changes > 0; changes--)
        {
            var at = random.Next(text.Length + 1);
            var length = Math.Min(random.Next(1, 20), text.Length - at);
            switch (random.Next(4))
            {
                case 0: text.Remove(at, length); break;
                case 1 when text.Length < 8000: text.Insert(random.Next(text.Length + 1), text.ToString(at, length)); break;
                case 2 when random.HasWords && random.Next(3) == 0: text.Insert(at, random.Word()); break;
                default: text.Insert(at, s_cells[random.Next(s_cells.Length)]); break;
            }
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }
}
