using System.Text.Json;

namespace Microsoft.ML.Nlft.Study;

/// <summary>What one training run came to.</summary>
/// <param name="Key">Which run: family, mix, rows, method, learning rate, seed.</param>
/// <param name="Right">Test problems answered rightly.</param>
/// <param name="Total">Test problems.</param>
/// <param name="Steps">Optimizer steps.</param>
/// <param name="Seconds">Training time.</param>
/// <param name="PeakMegabytes">Peak of the process's resident memory while it trained, in MiB.</param>
/// <param name="Code">Commit and date of the code that ran.</param>
/// <param name="Salient">Share of salient tokens in the first and in the last five steps.</param>
/// <param name="FirstWrong">The first test that was answered wrongly: question and answer.</param>
internal sealed record RunResult(string Key, int Right, int Total, int Steps, double Seconds, double PeakMegabytes, string Code, double[]? Salient = null, string? FirstWrong = null)
{
    public double Accuracy => (double)Right / Total;
}

/// <summary>The runs that are done, one line each, appended as they end; half a line at the end is dropped.</summary>
internal sealed class RunLedger
{
    private readonly string _path;
    private readonly Dictionary<string, RunResult> _runs = [];

    /// <summary>Opens the ledger, or begins one.</summary>
    public RunLedger(string path)
    {
        _path = path;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (!File.Exists(path)) return;
        var text = File.ReadAllText(path);
        var whole = text[..(text.LastIndexOf('\n') + 1)];
        foreach (var line in whole.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            if (JsonSerializer.Deserialize<RunResult>(line) is { } run) _runs.TryAdd(run.Key, run);
        if (whole.Length < text.Length) File.WriteAllText(path, whole);
    }

    /// <summary>The result of a run, or null when it is not done.</summary>
    public RunResult? Find(string key) => _runs.GetValueOrDefault(key);

    /// <summary>Adds a result.</summary>
    public void Add(RunResult run)
    {
        if (_runs.TryAdd(run.Key, run)) File.AppendAllText(_path, JsonSerializer.Serialize(run) + "\n");
    }
}
