namespace Microsoft.ML.Nlft.Training;

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>Half a cosine down to 0.</summary>
    Cosine,

    /// <summary>A straight line down to 0.</summary>
    Linear,

    /// <summary>Constant.</summary>
    Constant,
}

/// <summary>
/// The learning rate of every step of a run: a linear rise from 0, then the schedule's fall, exactly as transformers'
/// get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup and get_constant_schedule_with_warmup compute it. With W warm-up
/// steps of T in all, the step after k steps were done has peak * f(k):
/// <code>
/// k &lt; W:     f = k / W                          (the first step of a warm-up has rate 0, as there)
/// cosine:    f = (1 + cos(pi (k - W) / (T - W))) / 2
/// linear:    f = (T - k) / (T - W)
/// constant:  f = 1
/// </code>
/// W = ceil(T * ratio), except that a run of a single step has no warm-up: it would change nothing.
/// </summary>
internal sealed class LearningRateCurve(LearningRateSchedule schedule, double peak, double warmupRatio, int totalSteps)
{
    /// <summary>W, the number of steps of the warm-up.</summary>
    public int WarmupSteps { get; } = totalSteps == 1 ? 0 : (int)Math.Ceiling(totalSteps * warmupRatio);

    /// <summary>Returns the learning rate of the step after <paramref name="stepsDone"/> steps.</summary>
    public double At(int stepsDone)
    {
        if (stepsDone < WarmupSteps) return peak * stepsDone / WarmupSteps;
        var fallen = (double)(stepsDone - WarmupSteps) / Math.Max(1, totalSteps - WarmupSteps);
        return schedule switch
        {
            LearningRateSchedule.Cosine => peak * 0.5 * (1 + Math.Cos(Math.PI * fallen)),
            LearningRateSchedule.Linear => peak * (1 - fallen),
            _ => peak,
        };
    }
}
