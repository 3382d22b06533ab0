using Microsoft.ML.Nlft.Tool;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// A folder in which the commands of the tool run in this process: <c>in</c> holds what they read, <c>out</c> what they write. Paths and clock are
/// always the same, so that equal commands write equal bytes.
/// </summary>
internal sealed class Scene
{
    private readonly Dictionary<string, byte[]> _inputs;

    /// <summary>Creates the folder with a copy of the sample model, some rows and two adapters.</summary>
    public Scene(string root, string folder)
    {
        Folder = folder;
        Directory.CreateDirectory(PathOf("in/model"));
        foreach (var file in Directory.GetFiles(Path.Combine(root, "samples", "models", "tiny-word-problems")))
            File.Copy(file, Path.Combine(PathOf("in/model"), Path.GetFileName(file)));
        var rows = File.ReadLines(Path.Combine(root, "samples", "data", "rows.jsonl")).Take(3).ToList();
        File.WriteAllLines(PathOf("in/rows.jsonl"), rows.Take(2));
        File.WriteAllLines(PathOf("in/row.jsonl"), rows.Skip(2));
        var unjudged = File.ReadLines(Path.Combine(root, "samples", "data", "gold.jsonl")).First();
        File.WriteAllLines(PathOf("in/mixed.jsonl"), [rows[0], unjudged]);
        foreach (var rank in (string[])["1", "2"])
        {
            Require(["train", "--model", PathOf("in/model"), "--data", PathOf("in/rows.jsonl"), "--output", PathOf($"in/adapter-{rank}"),
                "--lora-rank", rank, "--epochs", "1", "--threads", "1"]);
        }
        _inputs = Files("in");
    }

    /// <summary>The folder of all files.</summary>
    public string Folder { get; }

    /// <summary>Returns a path in the folder.</summary>
    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>Runs a command of the tool.</summary>
    /// <returns>Its exit code and the last line of what it said, which is the error if it failed.</returns>
    public (int ExitCode, string Error) Run(IReadOnlyList<string> arguments)
    {
        var error = new StringWriter();
        return (Run(arguments, error), error.ToString().TrimEnd().Split('\n')[^1]);
    }

    /// <summary>Runs a command of the tool and returns its exit code.</summary>
    public static int Run(IReadOnlyList<string> arguments, TextWriter error) => new NlftTool(new()
    {
        In = TextReader.Null, Out = TextWriter.Null, Error = error, Environment = _ => null, Time = new StillClock(),
    }).RunAsync(arguments).GetAwaiter().GetResult();

    /// <summary>Runs a command that must succeed.</summary>
    public void Require(IReadOnlyList<string> arguments)
    {
        if (Run(arguments) is (not 0, var error)) throw new InvalidOperationException($"nlft {string.Join(' ', arguments)}: {error}");
    }

    /// <summary>Returns the contents of the files that were written, by their paths in <c>out</c>.</summary>
    public Dictionary<string, byte[]> Outputs() => Files("out");

    /// <summary>Gives <c>out</c> these contents; without any it does not exist.</summary>
    public void Restore(IReadOnlyDictionary<string, byte[]> outputs)
    {
        if (Directory.Exists(PathOf("out"))) Directory.Delete(PathOf("out"), recursive: true);
        foreach (var (name, bytes) in outputs)
        {
            var path = Path.Combine(PathOf("out"), name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }
    }

    /// <summary>Returns the files and folders with the names of temporary ones and locks.</summary>
    public IEnumerable<string> Hidden() => Directory.EnumerateFileSystemEntries(Folder, ".*", SearchOption.AllDirectories);

    /// <summary>Whether the files that the commands read are as they were.</summary>
    public bool InputsAreUnchanged() => AreEqual(Files("in"), _inputs);

    /// <summary>Whether the same files have the same contents.</summary>
    public static bool AreEqual(IReadOnlyDictionary<string, byte[]> some, IReadOnlyDictionary<string, byte[]> others) =>
        some.Count == others.Count && some.All(pair => others.TryGetValue(pair.Key, out var bytes) && bytes.AsSpan().SequenceEqual(pair.Value));

    private Dictionary<string, byte[]> Files(string inner) => !Directory.Exists(PathOf(inner)) ? []
        : Directory.EnumerateFiles(PathOf(inner), "*", SearchOption.AllDirectories)
            .ToDictionary(path => Path.GetRelativePath(PathOf(inner), path), File.ReadAllBytes);

    /// <summary>A clock that always shows the same day; it measures spans as the system's does.</summary>
    private sealed class StillClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2024, 12, 30, 0, 0, 0, TimeSpan.Zero);
    }
}
