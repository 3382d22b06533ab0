namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>The sample model, its rows, and the results of an uninterrupted job.</summary>
internal sealed class Place : IDisposable
{
    public Place(string root)
    {
        (Model, Questions) = (Path.Combine(root, "samples", "models", "tiny-word-problems"), Path.Combine(root, "samples", "data", "rows.jsonl"));
        Work = Directory.CreateTempSubdirectory("nlft-torture-").FullName;
        Job.Run(PathOf("unbroken"), Model, Questions, threads: 1, _ => { });
    }

    /// <summary>The base model's folder.</summary>
    public string Model { get; }

    /// <summary>Rows with questions and answers.</summary>
    public string Questions { get; }

    /// <summary>The folder of all results.</summary>
    public string Work { get; }

    /// <summary>Returns a path in the folder.</summary>
    public string PathOf(string name) => Path.Combine(Work, name);

    /// <summary>Returns the results of a job that are missing or differ from the uninterrupted one.</summary>
    /// <param name="folder">The job's folder.</param>
    /// <param name="names">Which of them; null: all.</param>
    public IReadOnlyList<string> Differences(string folder, string[]? names = null) =>
        [.. (names ?? Job.Results).Where(name => !File.Exists(Path.Combine(folder, name))
            || !File.ReadAllBytes(Path.Combine(folder, name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(PathOf("unbroken"), name))))];

    public void Dispose() => Directory.Delete(Work, recursive: true);
}
