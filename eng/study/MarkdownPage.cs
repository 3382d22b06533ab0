using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Study;

/// <summary>What the pages of the study share: lines, tables and numbers.</summary>
internal abstract class MarkdownPage
{
    protected StringBuilder Text { get; } = new();

    protected void Line(string text) => Text.Append(text).Append('\n');

    /// <summary>Writes the head of a table.</summary>
    protected void Header(string first, IEnumerable<string> columns)
    {
        Row(first, columns);
        Line($"|---|{string.Concat(columns.Select(_ => "---|"))}");
    }

    protected void Row(string name, IEnumerable<string> cells) => Line($"| {name} | {string.Join(" | ", cells)} |");

    protected static IEnumerable<string> Sizes(StudyOptions options) => options.Rows.Select(rows => $"{rows} rows");

    /// <summary>Writes the means of steps, time and memory, for methods with runs.</summary>
    protected void Costs(IEnumerable<(string Method, List<RunResult> Runs)> methods, string time = "seconds")
    {
        Line($"| method | runs | steps | {time} | peak memory |");
        Line("|---|---|---|---|---|");
        foreach (var (method, runs) in methods.Where(pair => pair.Runs.Count > 0))
        {
            Line(Invariant($"| {method} | {runs.Count} | {runs.Average(run => run.Steps):0.0} | {runs.Average(run => run.Seconds):0.0} | ")
                + Invariant($"{runs.Average(run => run.PeakMegabytes):0} MiB |"));
        }
    }

    /// <summary>A mean with its interval, a single value without one; "-" without values.</summary>
    /// <param name="values">The values.</param>
    /// <param name="format">The format of a number.</param>
    /// <param name="signed">Whether it is a difference, whose sign is shown.</param>
    protected static string Interval(IReadOnlyList<double> values, string format = "0.0", bool signed = false)
    {
        if (values.Count == 0) return "-";
        var estimate = Statistics.Mean(values);
        if (signed) return values.Count == 1 ? Invariant($"{estimate.Mean:+0.0;-0.0;0.0}") : Signed(estimate);
        string Text(double value) => value.ToString(format, CultureInfo.InvariantCulture);
        return values.Count == 1 ? Text(estimate.Mean) : $"{Text(estimate.Mean)} [{Text(estimate.Lower)} to {Text(estimate.Upper)}]";
    }

    /// <summary>A difference with its interval.</summary>
    protected static string Signed(Estimate estimate) =>
        Invariant($"{estimate.Mean:+0.0;-0.0;0.0} [{estimate.Lower:+0.0;-0.0;0.0} to {estimate.Upper:+0.0;-0.0;0.0}]");

    protected static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
