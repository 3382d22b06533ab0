using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>One line of the table: ours beside a named rival, and the ratio that counts.</summary>
/// <param name="What">What was measured, with its shape.</param>
/// <param name="Ours">Our figure with its unit.</param>
/// <param name="Rival">The rival's name and figure.</param>
/// <param name="Ratio">How many times better than the rival; for a limit, the figure itself.</param>
/// <param name="Reach">What is to be reached, as text.</param>
/// <param name="Reached">Whether it was.</param>
internal sealed record Measurement(string What, string Ours, string Rival, double Ratio, string Reach, bool Reached);

/// <summary>Collects lines, prints them as they come and keeps them as JSON.</summary>
internal sealed class MeasurementTable(string title, string artifacts)
{
    private readonly List<Measurement> _lines = [];

    public void Add(string what, string ours, string rival, double ratio, string reach, bool reached)
    {
        if (_lines.Count == 0) Console.WriteLine($"\n## {title}\n\n| what | ours | rival | ratio | reach | |\n|---|---|---|---|---|---|");
        var line = new Measurement(what, ours, rival, ratio, reach, reached);
        _lines.Add(line);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {ours} | {rival} | {ratio:0.00} | {reach} | {(reached ? "yes" : "no")} |"));
    }

    /// <summary>Says why a rival is not there.</summary>
    public static void Skip(string rival, string package) => Console.WriteLine($"skipped: {rival} is not installed (apt install {package})");

    public void Save()
    {
        Directory.CreateDirectory(artifacts);
        var path = Path.Combine(artifacts, $"{title.Split(' ')[0].ToLowerInvariant()}.json");
        File.WriteAllText(path, JsonSerializer.Serialize(_lines, new JsonSerializerOptions { WriteIndented = true }));
    }

    /// <summary>The shortest of several timings of <paramref name="action"/>, in seconds.</summary>
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
