using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>One row of a table: our figure, a named baseline, and their ratio.</summary>
/// <param name="What">What was measured, with its shape.</param>
/// <param name="Ours">Our figure with its unit.</param>
/// <param name="Baseline">The name and the figure of the baseline.</param>
/// <param name="Ratio">How many times better than the baseline; for a limit, the figure itself.</param>
/// <param name="Target">The ratio to reach, as text.</param>
/// <param name="Met">Whether it was reached.</param>
internal sealed record Measurement(string What, string Ours, string Baseline, double Ratio, string Target, bool Met);

/// <summary>Collects rows, prints each of them at once and saves all of them as JSON.</summary>
internal sealed class MeasurementTable(string title, string artifacts)
{
    private readonly List<Measurement> _rows = [];

    public void Add(string what, string ours, string baseline, double ratio, string target, bool met)
    {
        if (_rows.Count == 0) Console.WriteLine($"\n## {title}\n\n| what | ours | baseline | ratio | target | met |\n|---|---|---|---|---|---|");
        _rows.Add(new Measurement(what, ours, baseline, ratio, target, met));
        var figure = ratio.ToString("0.00", CultureInfo.InvariantCulture);
        Console.WriteLine($"| {what} | {ours} | {baseline} | {figure} | {target} | {(met ? "yes" : "no")} |");
    }

    /// <summary>Says that a baseline is not installed.</summary>
    public static void Skip(string baseline, string package) =>
        Console.WriteLine($"skipped: {baseline} is not installed (apt install {package})");

    public void Save()
    {
        Directory.CreateDirectory(artifacts);
        var path = Path.Combine(artifacts, $"{title.Split(' ')[0].ToLowerInvariant()}.json");
        File.WriteAllText(path, JsonSerializer.Serialize(_rows, new JsonSerializerOptions { WriteIndented = true }));
    }

    /// <summary>Returns the shortest of several timings of <paramref name="action"/>, in seconds.</summary>
    public static double Best(int rounds, Action action)
    {
        var best = double.PositiveInfinity;
        for (var round = 0; round < rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }
}
