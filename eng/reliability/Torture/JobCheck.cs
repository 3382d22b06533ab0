namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>A job with the files that are there before it and those that it leaves when nothing disturbs it; says what breaks the rules.</summary>
internal sealed class JobCheck
{
    private const string RunOptions = "nlft-options.json";

    private readonly Scene _scene;
    private readonly Dictionary<string, byte[]> _old, _new;

    /// <summary>Runs the job undisturbed.</summary>
    /// <param name="scene">Where it runs.</param>
    /// <param name="job">The job.</param>
    /// <param name="replaces">Whether there are files before that it replaces.</param>
    public JobCheck(Scene scene, ToolJob job, bool replaces)
    {
        (_scene, Arguments, Name) = (scene, job.Arguments(scene, old: false), replaces ? $"{job.Name} over older files" : job.Name);
        scene.Restore(new Dictionary<string, byte[]>());
        if (replaces) scene.Require(job.Arguments(scene, old: true));
        _old = Results();
        Prepare();
        scene.Require(Arguments);
        _new = Results();
        if (_new.Count == 0 || Scene.AreEqual(_old, _new)) throw new InvalidOperationException($"{Name} writes nothing new.");
    }

    /// <summary>Returns each job twice: where nothing is there before, and where it replaces files.</summary>
    public static IEnumerable<JobCheck> Of(Scene scene, IEnumerable<ToolJob> jobs) =>
        jobs.SelectMany(_ => new[] { false, true }, (job, replaces) => new JobCheck(scene, job, replaces));

    /// <summary>What the job does, and whether it replaces files.</summary>
    public string Name { get; }

    /// <summary>The command line.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>Puts the files there that are there before.</summary>
    public void Prepare() => _scene.Restore(_old);

    /// <summary>Runs the job in this process.</summary>
    public (int ExitCode, string Error) Run() => _scene.Run(Arguments);

    /// <summary>Whether the results are the new ones.</summary>
    public bool IsDone() => Scene.AreEqual(Results(), _new);

    /// <summary>Returns the rule that the files break: each is the old one or the new one, whole, and there is no other; null: none.</summary>
    public string? BrokenFile()
    {
        var now = Results();
        foreach (var name in now.Keys.Union(_old.Keys).Union(_new.Keys).Order(StringComparer.Ordinal))
        {
            if (!Is(_old) && !Is(_new)) return $"{name} is {(now.ContainsKey(name) ? "neither the old file nor the new one" : "gone")}";

            bool Is(Dictionary<string, byte[]> expected) => now.TryGetValue(name, out var found) == expected.TryGetValue(name, out var bytes)
                && found.AsSpan().SequenceEqual(bytes);
        }
        return _scene.InputsAreUnchanged() ? null : "a file that was to be read is changed";
    }

    /// <summary>
    /// Returns the rule that a run breaks which ended by itself: files that belong together are all old or all new; unless all are new it failed; a
    /// failure names a file; no temporary file and no lock is left. Null: none.
    /// </summary>
    /// <param name="exitCode">Its exit code.</param>
    /// <param name="error">What it said.</param>
    /// <param name="undeletable">A file or folder that the run was kept from deleting; empty: none.</param>
    public string? Broken(int exitCode, string error, string undeletable = "")
    {
        if (BrokenFile() is { } broken) return broken;
        var now = Results();
        if (exitCode == 0 && !Scene.AreEqual(now, _new)) return "not all files are new, and the exit code is 0";
        if (!Scene.AreEqual(Together(now), Together(_old)) && !Scene.AreEqual(Together(now), Together(_new)))
            return "some files are old and some are new";
        if (exitCode != 0 && !error.Contains(_scene.Folder, StringComparison.Ordinal)) return $"no file is named: {error}";
        return _scene.Hidden().FirstOrDefault(path => !IsAt(undeletable, path)) is { } left ? $"{left} is left" : null;
    }

    /// <summary>Runs the job again, which must end with the new files; returns the rule that it breaks, or null.</summary>
    public string? BrokenAgain()
    {
        if (Scene.AreEqual(_scene.Outputs(), _old)) return null; // all is as it was before the undisturbed run
        var (exitCode, error) = Run();
        return exitCode != 0 ? $"run again, it failed: {error}" : IsDone() ? null : "run again, it ends with other files";
    }

    /// <summary>Whether a path is that of a file or of a folder around it.</summary>
    private static bool IsAt(string file, string path) => file == path || file.StartsWith(path + "/", StringComparison.Ordinal);

    private Dictionary<string, byte[]> Results() => _scene.Outputs().Where(file => !ToolJob.IsForResuming(file.Key) && !IsHidden(file.Key))
        .ToDictionary(file => file.Key, file => file.Value);

    /// <summary>Returns the files that belong together: all but the options of a run, which are written after its model.</summary>
    private static Dictionary<string, byte[]> Together(Dictionary<string, byte[]> files) =>
        files.Where(file => Path.GetFileName(file.Key) != RunOptions).ToDictionary(file => file.Key, file => file.Value);

    private static bool IsHidden(string path) => path.Split('/').Any(part => part.StartsWith('.'));
}
