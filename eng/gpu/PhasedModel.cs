using System.Diagnostics;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.TestKit;

namespace Microsoft.ML.Nlft.Gpu;

/// <summary>How long a phase of a step takes until its call returns, and until the device has finished too, in seconds.</summary>
/// <param name="Name">The phase.</param>
/// <param name="Returned">The time until the call returns: what the host needs to issue the work and to read results.</param>
/// <param name="Done">The time until the device is idle again.</param>
internal sealed record Phase(string Name, double Returned, double Done);

/// <summary>
/// Passes the calls of a training run on to a model and, from some step on, measures each of them. Only then does it wait for the device, so that the
/// steps before keep their speed.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="synchronize">Waits until the device has finished.</param>
/// <param name="after">The number of steps that are not measured.</param>
internal sealed class PhasedModel(ICausalLanguageModel model, Action synchronize, int after) : PassingModel(model)
{
    private readonly Dictionary<string, List<(double Returned, double Done)>> _times = [];
    private int _steps;

    /// <summary>The median of each phase over the measured steps, in the order of their first calls.</summary>
    public IReadOnlyList<Phase> Phases => [.. _times.Select(phase => new Phase(phase.Key,
        Measurement.Median(phase.Value.Select(time => time.Returned)), Measurement.Median(phase.Value.Select(time => time.Done))))];

    public override IReadOnlyList<TokenScores> Score(
        IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
        Measure("score", () => base.Score(batch, hiddenStates, cancellationToken));

    public override IForwardPass Forward(
        IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
        new PhasedPass(this, Measure("forward", () => base.Forward(batch, hiddenStates, cancellationToken)));

    public override double ApplyGradients(AdamWOptions options, double learningRate)
    {
        var norm = Measure("update", () => base.ApplyGradients(options, learningRate));
        _steps++;
        return norm;
    }

    private T Measure<T>(string phase, Func<T> call)
    {
        if (_steps < after) return call();
        synchronize();
        var start = Stopwatch.GetTimestamp();
        var result = call();
        var returned = Stopwatch.GetElapsedTime(start).TotalSeconds;
        synchronize();
        if (!_times.TryGetValue(phase, out var times)) _times.Add(phase, times = []);
        times.Add((returned, Stopwatch.GetElapsedTime(start).TotalSeconds));
        return result;
    }

    private sealed class PhasedPass(PhasedModel model, IForwardPass pass) : IForwardPass
    {
        public IReadOnlyList<TokenScores> Scores => pass.Scores;

        public void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default) =>
            model.Measure("backward", () =>
            {
                pass.Backward(coefficients, cancellationToken);
                return true;
            });

        public void Dispose() => pass.Dispose();
    }
}
