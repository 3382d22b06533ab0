namespace Microsoft.ML.Nlft.Feedback;

/// <summary>Reports the progress of generating or judging.</summary>
public sealed record DataProgress
{
    /// <summary>Results so far, including those of an interrupted run.</summary>
    public required int Done { get; init; }

    /// <summary>Total number of results; null when unknown.</summary>
    public int? Total { get; init; }

    /// <summary>Time since this run began.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Estimated time to the end; null when unknown.</summary>
    public TimeSpan? Remaining { get; init; }

    /// <summary>Responses judged correct so far; 0 while responses are generated.</summary>
    public int Correct { get; init; }

    /// <summary>Responses judged incorrect so far; 0 while responses are generated.</summary>
    public int Incorrect { get; init; }

    /// <summary>Judgments so far that could not be parsed; 0 while responses are generated.</summary>
    public int Unparsable { get; init; }

    /// <summary>
    /// New results of each process of the job so far, by rank: a slow process has fewer. Results of an interrupted run are not counted.
    /// </summary>
    public IReadOnlyList<int> DoneByProcess { get; init; } = [];
}

/// <summary>Measures a run. Results of an interrupted run do not count towards its speed.</summary>
internal sealed class DataMeter(int? total, IProgress<DataProgress>? progress, TimeProvider time, int processes = 1)
{
    private readonly long _begin = time.GetTimestamp();
    private readonly int[] _doneByProcess = new int[processes];
    private int _done, _fresh, _correct, _incorrect, _unparsable;

    public void Report(bool fresh, Verdict? verdict = null, int rank = 0)
    {
        _done++;
        if (fresh) (_fresh, _doneByProcess[rank]) = (_fresh + 1, _doneByProcess[rank] + 1);
        switch (verdict?.Kind)
        {
            case VerdictKind.Correct: _correct++; break;
            case VerdictKind.Incorrect: _incorrect++; break;
            case VerdictKind.Unparsable: _unparsable++; break;
        }
        var elapsed = time.GetElapsedTime(_begin);
        progress?.Report(new DataProgress
        {
            Done = _done,
            Total = total,
            Elapsed = elapsed,
            Remaining = total is { } all && _fresh > 0 ? elapsed / _fresh * Math.Max(0, all - _done) : null,
            Correct = _correct,
            Incorrect = _incorrect,
            Unparsable = _unparsable,
            DoneByProcess = [.. _doneByProcess],
        });
    }
}
