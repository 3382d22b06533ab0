using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Counts metrics while the gradients of one window accumulate.</summary>
internal sealed class WindowMetrics
{
    private int _tokens, _mostLikely, _salient;

    /// <summary>Loss of the window: the weighted sum of its examples' losses.</summary>
    public double Loss { get; private set; }

    /// <summary>Share of the response tokens that were the base context's most likely token.</summary>
    public double TokenAccuracy => (double)_mostLikely / _tokens;

    /// <summary>Share of the response tokens that were salient.</summary>
    public double SalientShare => (double)_salient / _tokens;

    /// <summary>Tokens of the trained sequences.</summary>
    public long TokensTrained { get; set; }

    /// <summary>Tokens of the sequences scored as constants.</summary>
    public long TokensScored { get; set; }

    /// <summary>The counts, to be summed over the processes that share a window.</summary>
    public double[] Numbers
    {
        get => [Loss, _tokens, _mostLikely, _salient, TokensTrained, TokensScored];
        set => (Loss, _tokens, _mostLikely, _salient, TokensTrained, TokensScored) = (value[0], (int)value[1], (int)value[2], (int)value[3],
            (long)value[4], (long)value[5]);
    }

    /// <summary>Adds an example that enters the window's loss with <paramref name="weight"/>; its tokens that do not count are left out.</summary>
    public void Add(EncodedExample example, TokenObjectiveResult result, TokenScores scores, double weight)
    {
        var counted = example.Counted;
        Loss += weight * result.Loss;
        _tokens += example.CountedTokens;
        _mostLikely += scores.MostLikely.Where((flag, t) => flag && (counted.IsEmpty || counted.Span[t])).Count();
        _salient += result.Tokens.Count(token => token.Role == TokenRole.Salient);
    }
}

/// <summary>Measures the time of a run and turns the numbers of a step into a <see cref="TrainingProgress"/>.</summary>
internal sealed class ProgressMeter(TimeProvider time, int totalSteps)
{
    private int _stepsBefore;
    private TimeSpan _elapsedBefore;
    private readonly long _runStart = time.GetTimestamp();
    private long _loopStart = time.GetTimestamp(), _stepStart = time.GetTimestamp(), _tokensBefore;

    /// <summary>Starts the first step. Earlier work (contexts scored once) does not recur and is left out of the rate and the estimate.</summary>
    public void StartSteps(long tokensSeen)
    {
        _loopStart = _stepStart = time.GetTimestamp();
        _tokensBefore = tokensSeen;
    }

    /// <summary>Resumes after <paramref name="steps"/> steps that took <paramref name="elapsed"/>.</summary>
    public void Resume(int steps, TimeSpan elapsed) => (_stepsBefore, _elapsedBefore) = (steps, elapsed);

    /// <summary>Starts the next step. Work in between (recording, listeners) is left out of its rate.</summary>
    public void StartStep() => _stepStart = time.GetTimestamp();

    /// <summary>Completes a step.</summary>
    /// <param name="step">Steps done, including this one.</param>
    /// <param name="epoch">Epochs done, as a fraction.</param>
    /// <param name="window">The counts of the step's window.</param>
    /// <param name="gradientNorm">Global norm before clipping.</param>
    /// <param name="learningRate">The step's learning rate.</param>
    /// <param name="tokensSeen">Tokens of all contexts since the run began.</param>
    public TrainingProgress Complete(int step, double epoch, WindowMetrics window, double gradientNorm, double learningRate, long tokensSeen)
    {
        var now = time.GetTimestamp();
        var seconds = time.GetElapsedTime(_stepStart, now).TotalSeconds;
        var tokensPerSecond = seconds > 0 ? (tokensSeen - _tokensBefore) / seconds : 0;
        _tokensBefore = tokensSeen;
        return new TrainingProgress
        {
            Step = step,
            TotalSteps = totalSteps,
            Epoch = epoch,
            Loss = window.Loss,
            TokenAccuracy = window.TokenAccuracy,
            SalientShare = window.SalientShare,
            GradientNorm = gradientNorm,
            LearningRate = learningRate,
            TokensSeen = tokensSeen,
            TokensPerSecond = tokensPerSecond,
            Elapsed = _elapsedBefore + time.GetElapsedTime(_runStart, now),
            Remaining = time.GetElapsedTime(_loopStart, now) / (step - _stepsBefore) * (totalSteps - step),
        };
    }
}
