using Microsoft.ML.Nlft.Training;
using static System.FormattableString;

namespace WordProblems;

/// <summary>A bar that is drawn over on a terminal; elsewhere a line at every quarter.</summary>
internal sealed class ConsoleProgress(string title) : IProgress<TrainingProgress>
{
    private const int Width = 30;

    private int _quarter;

    public void Report(TrainingProgress value)
    {
        var share = (double)value.Step / value.TotalSteps;
        var line = Invariant($"{title}: step {value.Step}/{value.TotalSteps}, loss {value.Loss:0.000}, salient {100 * value.SalientShare:0.0} %, ")
            + Invariant($"{value.TokensPerSecond:0} tokens/s, {value.Remaining.TotalSeconds:0} s left");
        if (!Console.IsOutputRedirected)
        {
            var bar = new string('#', (int)(Width * share)).PadRight(Width, '.');
            Console.Write($"\r[{bar}] {line}   {(value.Step == value.TotalSteps ? "\n" : "")}");
        }
        else if ((int)(4 * share) > _quarter)
        {
            _quarter = (int)(4 * share);
            Console.WriteLine(line);
        }
    }
}
