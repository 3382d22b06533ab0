using System.Globalization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>
/// A run on the console. At a terminal one line with a bar, loss, salient share, tokens per second and the time left is drawn over and over; elsewhere (a file, a
/// build server) a plain line appears at every tenth of the run and after half a minute of silence.
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

    /// <summary>Reports to the standard output, as a terminal or not as the process finds it.</summary>
    /// <param name="title">What the lines begin with.</param>
    public ConsoleReporter(string title = "Training")
        : this(Console.Out, !Console.IsOutputRedirected, title, Console.IsOutputRedirected || Console.WindowWidth <= 0 ? PlainWidth : Console.WindowWidth)
    {
    }

    /// <summary>Reports to a writer.</summary>
    /// <param name="writer">Stays open.</param>
    /// <param name="terminal">Whether a carriage return takes the writer back to the beginning of the line.</param>
    /// <param name="title">What the lines begin with.</param>
    /// <param name="width">Columns of the terminal; the line is cut to fit. Default 120.</param>
    /// <param name="timeProvider">The clock; null: the system's.</param>
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
            if (_terminal && _drawn > 0) _writer.WriteLine();
            (_slow, _drawn) = (slow, 0);
            _writer.WriteLine($"{_title}: {slow}.");
        }
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

    /// <summary>Over the line before, with blanks where that was longer.</summary>
    private void Draw(string line)
    {
        line = line.Length < _width ? line : line[..(_width - 1)];
        _writer.Write("\r" + line.PadRight(_drawn));
        _writer.Flush();
        (_drawn, _last) = (line.Length, _time.GetTimestamp());
    }

    private static string Bar(double share) => $"[{new string('#', (int)(BarWidth * share)),-BarWidth}]".Replace(' ', '.');

    private static string Figures(TrainingProgress p) => string.Create(CultureInfo.InvariantCulture,
        $"step {p.Step} of {p.TotalSteps}, loss {p.Loss:0.0000}, salient {100 * p.SalientShare:0.0} %, {p.TokensPerSecond:0} tokens/s, {Duration(p.Remaining)} left");

    private static string Duration(TimeSpan time) => string.Create(CultureInfo.InvariantCulture,
        $"{(time.TotalHours >= 1 ? $"{(int)time.TotalHours}:{time:mm}:{time:ss}" : $"{time.Minutes}:{time:ss}")}");
}
