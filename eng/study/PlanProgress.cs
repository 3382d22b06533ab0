using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.Nlft.Study;

/// <summary>Says how far a plan of runs has come, with an estimate from the runs that were not known before.</summary>
/// <param name="planned">The number of runs.</param>
/// <param name="log">Receives a line per new run.</param>
internal sealed class PlanProgress(int planned, TextWriter log)
{
    private readonly Stopwatch _watch = new();
    private int _done, _fresh;

    /// <summary>Runs one of them.</summary>
    /// <param name="name">Names it in its line.</param>
    /// <param name="run">Returns the result, null if there was nothing to train on, and whether it was not known before.</param>
    public RunResult? Follow(string name, Func<(RunResult? Result, bool IsFresh)> run)
    {
        _watch.Start();
        var (result, isFresh) = run();
        _watch.Stop();
        _done++;
        if (!isFresh) return result;
        _fresh++;
        if (result is null) return null;
        log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_done} of {planned}: {name}: {100 * result.Accuracy:0.0} %, ")
            + string.Create(CultureInfo.InvariantCulture,
                $"{result.Seconds:0.0} s of the processors, about {_watch.Elapsed / _fresh * (planned - _done):hh\\:mm\\:ss} left"));
        return result;
    }
}
