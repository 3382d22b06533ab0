using System.Text.Json;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>A folder as the pages suppose it: the sample model as <c>model</c>, a few rows, and it is the current one.</summary>
public abstract class Workplace
{
    private static readonly string[] s_columns = ["Question", "Response", "Judgment", "Answer"];

    private readonly string _before = Environment.CurrentDirectory;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nlft-docs");

    [TestInitialize]
    public void Enter()
    {
        Environment.CurrentDirectory = _folder.FullName;
        Copy("samples/models/tiny-word-problems", "model");
        var rows = Samples("rows.jsonl").Take(4).ToArray();
        File.WriteAllLines("rows.jsonl", rows);
        File.WriteAllLines("chats.jsonl", Samples("chats.jsonl").Take(4));
        File.WriteAllLines("test.jsonl", Samples("test-corrected.jsonl").Take(3));
        File.WriteAllLines("rows.csv",
            rows.Select(row => JsonElement.Parse(row))
            .Select(row => string.Join(',', s_columns.Select(column => $"\"{row.GetProperty(column).GetString()!.Replace("\"", "\"\"")}\"")))
            .Prepend(string.Join(',', s_columns)));
    }

    [TestCleanup]
    public void Leave()
    {
        Environment.CurrentDirectory = _before;
        _folder.Delete(recursive: true);
    }

    /// <summary>Copies the files of a folder of the repository.</summary>
    protected static void Copy(string folder, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(Path.Combine(Pages.Root, folder))) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    private static IEnumerable<string> Samples(string name) => File.ReadLines(Path.Combine(Pages.Root, "samples", "data", name));
}
