using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>Keeps the curves of runs in a folder, one file each, so that the page of a later run can show them beside its own.</summary>
/// <param name="folder">The folder; created when a run is kept.</param>
internal sealed class KeptRuns(string folder)
{
    /// <summary>The most runs that are shown, the newest ones, and the most points of a curve.</summary>
    private const int MostRuns = 6, MostPoints = 500;

    private const string Prefix = "run-", Extension = ".json", Remedy = "Delete the file, or name another folder.";

    private static readonly (string Key, Func<TrainingProgress, double> Of)[] s_curves =
    [
        ("loss", step => step.Loss), ("accuracy", step => step.TokenAccuracy), ("salient", step => step.SalientShare),
        ("norm", step => step.GradientNorm),
    ];

    /// <summary>Reads the newest runs, the oldest of them first.</summary>
    /// <exception cref="NlftException">A file is damaged.</exception>
    public IEnumerable<JsonObject> Read() => !Directory.Exists(folder) ? []
        : Directory.GetFiles(folder, $"{Prefix}*{Extension}").Order(StringComparer.Ordinal).TakeLast(MostRuns).Select(Read);

    /// <summary>Describes a run by its curves; null: it has no steps.</summary>
    public static JsonObject? Describe(RunDescription run, DateTimeOffset began, IReadOnlyList<TrainingProgress> steps)
    {
        if (steps.Count == 0) return null;
        var gap = (steps.Count + MostPoints - 1) / MostPoints;
        var kept = steps.Where((_, i) => i % gap == 0 || i == steps.Count - 1).ToList();
        var described = new JsonObject
        {
            ["name"] = string.Create(CultureInfo.InvariantCulture, $"{run.Method} on {run.Rows} rows, {began.UtcDateTime:yyyy-MM-dd HH:mm} UTC"),
        };
        foreach (var (key, value) in s_curves)
            described[key] = new JsonArray([.. kept.Select(step => new JsonArray(step.Step, value(step)))]);
        return described;
    }

    /// <summary>Writes a run. It is not kept where that fails, for example on a full disk: the trained model counts for more.</summary>
    public void Keep(JsonObject run, DateTimeOffset began)
    {
        try
        {
            WriteFault.Ignore(() => Write(run, began));
        }
        catch (NlftException)
        {
        }
    }

    private void Write(JsonObject run, DateTimeOffset began)
    {
        string Named(int number) =>
            Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{began.UtcDateTime:yyyyMMdd-HHmmss}-{number:00}{Extension}"));
        var number = 1;
        while (File.Exists(Named(number))) number++;
        AtomicFile.Write(Named(number), stream => stream.Write(Encoding.UTF8.GetBytes(run.ToJsonString())));
    }

    private static JsonObject Read(string path)
    {
        var file = JsonFile.Load(new(path, "a kept run") { FileRemedy = Remedy, ValueRemedy = Remedy });
        var run = new JsonObject { ["name"] = file["name"].String() };
        foreach (var (key, _) in s_curves)
        {
            run[key] = new JsonArray([.. file[key].Items().Select(point =>
            {
                JsonPlace[] pair = [.. point.Items()];
                return pair.Length == 2 ? new JsonArray(pair[0].Index(), pair[1].Number()) : throw point.Refuse("a step and a value");
            })]);
        }
        return run;
    }
}
