using System.Globalization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>
/// Reports a run on the console. A terminal shows one line with a bar, loss, salient share, tokens per second and the remaining time, which is
/// redrawn. Other output (a file, a build server) gets a plain line at every tenth of the run and after half a minute without one. Every evaluation
/// of held-out rows has a line of its own, with sample answers below it.
/// </summary>
public sealed class ConsoleReporter : ITrainingMonitor
{
    private const int BarWidth = 24, Milestones = 10, PlainWidth = 120;

    private static readonly TimeSpan s_longestSilence = TimeSpan.FromSeconds(30), s_shortestPause = TimeSpan.FromMilliseconds(100);

    private readonly TextWriter _writer;
    private readonly string _title;
    private readonly bool _terminal;
    private readonly int _width;
    private readonly TimeProvider _time;
    private int _milestone = -1, _drawn;
    private string? _slow;
    private long? _last;

    /// <summary>Creates a reporter for standard output, which detects whether that is a terminal.</summary>
    /// <param name="title">The text that begins each line. Default "Training".</param>
    public ConsoleReporter(string title = "Training")
        : this(Console.Out, !Console.IsOutputRedirected, title, Console.IsOutputRedirected || Console.WindowWidth <= 0 ? PlainWidth
            : Console.WindowWidth)
    {
    }

    /// <summary>Creates a reporter for a writer.</summary>
    /// <param name="writer">The writer; stays open.</param>
    /// <param name="terminal">Whether a carriage return moves to the beginning of the line, so that a line can be redrawn.</param>
    /// <param name="title">The text that begins each line. Default "Training".</param>
    /// <param name="width">The width of the terminal in columns; longer lines are cut. Default 120.</param>
    /// <param name="timeProvider">The clock; null: the system clock.</param>
    public ConsoleReporter(TextWriter writer, bool terminal, string title = "Training", int width = PlainWidth, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(title);
        (_writer, _terminal, _title, _width, _time) = (writer, terminal, title, width, timeProvider ?? TimeProvider.System);
    }

    /// <inheritdoc/>
    public void Begin(RunDescription run)
    {
        ArgumentNullException.ThrowIfNull(run);
        (_milestone, _drawn, _last, _slow) = (-1, 0, null, null);
        _writer.WriteLine($"{_title}: {run.Method} on {run.Rows} rows, model {run.Model}.");
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (value.SlowProcess is { } slow && _slow is null)
        {
            _slow = slow;
            WriteLines([$"{slow}."]);
        }
        foreach (var report in value.Validation) WriteLines(report.Lines());
        var share = (double)value.Step / value.TotalSteps;
        var silence = _last is { } last ? _time.GetElapsedTime(last) : TimeSpan.MaxValue;
        if (_terminal)
        {
            if (silence >= s_shortestPause || value.Step == value.TotalSteps) Draw($"{_title} {Bar(share)} {Figures(value)}");
            return;
        }
        var milestone = (int)(share * Milestones + 1e-9);
        if (milestone == _milestone && silence < s_longestSilence) return;
        (_milestone, _last) = (milestone, _time.GetTimestamp());
        _writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_title}: {100 * share,3:0} %, {Figures(value)}"));
    }

    /// <inheritdoc/>
    public void End(FineTuneResult? result)
    {
        if (_terminal && _drawn > 0) _writer.WriteLine();
        _drawn = 0;
        if (result is null) _writer.WriteLine($"{_title}: failed.");
        else if (result.Cancelled) _writer.WriteLine($"{_title}: cancelled after {result.Steps.Count} steps.");
    }

    /// <summary>Writes lines that stay, on a terminal below the one that is redrawn.</summary>
    private void WriteLines(IEnumerable<string> lines)
    {
        if (_terminal && _drawn > 0) _writer.WriteLine();
        _drawn = 0;
        foreach (var line in lines) _writer.WriteLine($"{_title}: {line}");
    }

    /// <summary>Draws a line over the previous one; blanks cover the rest of a longer line.</summary>
    private void Draw(string line)
    {
        line = line.Length < _width ? line : line[..(_width - 1)];
        _writer.Write("\r" + line.PadRight(_drawn));
        _writer.Flush();
        (_drawn, _last) = (line.Length, _time.GetTimestamp());
    }

    private static string Bar(double share) => $"[{new string('#', (int)(BarWidth * share)),-BarWidth}]".Replace(' ', '.');

    private static string Figures(TrainingProgress p) => string.Create(CultureInfo.InvariantCulture,
        $"step {p.Step} of {p.TotalSteps}, loss {p.Loss:0.0000}, salient {100 * p.SalientShare:0.0} %, {p.TokensPerSecond:0} tokens/s, "
            + $"{Duration(p.Remaining)} left");

    private static string Duration(TimeSpan time) => string.Create(CultureInfo.InvariantCulture,
        $"{(time.TotalHours >= 1 ? $"{(int)time.TotalHours}:{time:mm}:{time:ss}" : $"{time.Minutes}:{time:ss}")}");
}
