using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Nlft.Study;

/// <summary>The result of a training run.</summary>
/// <param name="Key">The run: family, mix, rows, method, learning rate, seed.</param>
/// <param name="Right">Test problems answered correctly.</param>
/// <param name="Total">Test problems.</param>
/// <param name="Steps">Optimizer steps.</param>
/// <param name="Seconds">Training time.</param>
/// <param name="PeakMegabytes">The peak resident memory during training, in MiB.</param>
/// <param name="Code">The commit and date of the code.</param>
/// <param name="Salient">The share of salient tokens in the first and the last five steps.</param>
/// <param name="FirstWrong">The first test with a wrong answer: question and answer.</param>
internal sealed record RunResult(string Key, int Right, int Total, int Steps, double Seconds, double PeakMegabytes, string Code,
    double[]? Salient = null, string? FirstWrong = null)
{
    public double Accuracy => (double)Right / Total;

    /// <summary>The accuracy on problems that the base model masters; null: not tested.</summary>
    public double? Mastered { get; init; }

    /// <summary>The answers to the first tests, right or wrong; null: not kept.</summary>
    public IReadOnlyList<string>? Answers { get; init; }
}

/// <summary>Stores finished runs, one per line; a partial last line is dropped.</summary>
internal sealed class RunLedger
{
    private static readonly JsonSerializerOptions s_json =
        new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, IgnoreReadOnlyProperties = true };

    private readonly string _path;
    private readonly Dictionary<string, RunResult> _runs = [];

    /// <summary>Opens or creates the ledger.</summary>
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

    /// <summary>Returns the result of a run, or null.</summary>
    public RunResult? Find(string key) => _runs.GetValueOrDefault(key);

    /// <summary>Adds a result.</summary>
    public void Add(RunResult run)
    {
        if (_runs.TryAdd(run.Key, run)) File.AppendAllText(_path, JsonSerializer.Serialize(run, s_json) + "\n");
    }
}
