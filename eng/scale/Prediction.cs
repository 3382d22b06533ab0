using Microsoft.ML.Nlft.Gpu;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>The cost model with parameters fitted to measurements.</summary>
internal sealed class Prediction
{
    private readonly Measurements _measured;
    private readonly Dictionary<string, double> _crowding = [];

    public Prediction(Measurements measured)
    {
        _measured = measured;
        var fitted = measured.NetworkSums.Where(sum => Measuring.IsFitted(sum.Processes, sum.Link)).ToList();
        Algorithm = fitted.Count > 0 ? Fit.Algorithm(fitted) : SumAlgorithm.Tree;
        Local = Fit.Overhead([.. measured.Sums.Where(sum => sum.Processes == 2)], Algorithm);
        Network = fitted.Count > 0 ? Fit.Overhead(fitted, Algorithm) : Local;
        var largest = measured.Steps.Where(step => step.Processes == 1).MaxBy(step => step.Figure.Operations / step.Figure.Rows)!;
        (OperationsPerSecond, RateShape) = (largest.Figure.Operations / largest.Figure.Seconds, largest.Shape);
        foreach (var pair in measured.Steps.Where(step => step.Processes == 2))
        {
            _crowding[pair.Shape] = Math.Max(1, (pair.Figure.Seconds - CostModel.Communicate(WorkOf(pair), 2, pair.Link, Local)) / CostModel.Compute(
                WorkOf(pair), 2, measured.Cores));
        }
        // The rest of a network step besides computation and the long sum, in rounds of short messages.
        var step = measured.NetworkSteps.FirstOrDefault(step => Measuring.IsFitted(step.Processes, step.Link));
        if (step is not null)
        {
            ShortRounds = Math.Max(0, (step.Figure.Seconds - CostModel.Step(WorkOf(step) with { ShortRounds = 0 }, step.Processes, step.Link,
                Network, measured.Cores)) / (step.Link.Latency + Network.PerRound));
        }
    }

    /// <summary>The algorithm that fits the network measurements.</summary>
    public SumAlgorithm Algorithm { get; }

    /// <summary>The overhead of messages on one machine.</summary>
    public Overhead Local { get; }

    /// <summary>The overhead of messages on the network of this study, its packets included.</summary>
    public Overhead Network { get; }

    /// <summary>The rounds of short messages per step and doubling of the processes.</summary>
    public double ShortRounds { get; }

    /// <summary>Returns the slowdown of a row when two processes compute on this machine.</summary>
    public double Crowding(string shape) => _crowding.GetValueOrDefault(shape, 1);

    /// <summary>The operations per second of a core.</summary>
    public double OperationsPerSecond { get; }

    /// <summary>The shape that it was measured with.</summary>
    public string RateShape { get; }

    /// <summary>Returns the work of a measured step, with the seconds per row of one process.</summary>
    public StepWork WorkOf(MeasuredStep step)
    {
        var alone = _measured.Steps.Single(one => one.Shape == step.Shape && one.Processes == 1).Figure;
        return new StepWork { SecondsPerRow = alone.Seconds / alone.Rows, Rows = step.Figure.Rows, Bytes = step.Figure.Bytes,
            ShortRounds = ShortRounds, Algorithm = Algorithm, Crowding = Crowding(step.Shape) };
    }

    /// <summary>Predicts a measured step, in seconds.</summary>
    public double Step(MeasuredStep step) =>
        CostModel.Step(WorkOf(step), step.Processes, step.Link, step.Link == Link.OneMachine ? Local : Network, _measured.Cores);

    /// <summary>Returns the work of a step of an unmeasured model.</summary>
    /// <param name="model">The shape, with the mean length of a row.</param>
    /// <param name="rows">The rows of the window.</param>
    /// <param name="speed">The speed of a process relative to a core of this machine.</param>
    public StepWork WorkOf(Workload model, int rows, double speed) => new()
    {
        SecondsPerRow = (model with { Rows = 1 }).Operations("") / (OperationsPerSecond * speed),
        Rows = rows,
        Bytes = AdapterBytes(model.Model),
        ShortRounds = ShortRounds,
        Algorithm = Algorithm,
    };

    /// <summary>Predicts the efficiency.</summary>
    public double Efficiency(StepWork work, int processes, Link link) => CostModel.Efficiency(work, processes, link, Local);

    /// <summary>Returns the bytes of the gradients of a default adapter in single precision.</summary>
    public static double AdapterBytes(ModelConfiguration model)
    {
        var lora = new LoraConfiguration();
        return ModelLayout.LinearModules(model).Where(linear =>
            lora.TargetModules.Any(name => linear.Name.EndsWith("." + name, StringComparison.Ordinal)))
            .Sum(linear => (double)lora.Rank * (linear.Inputs + linear.Outputs) * sizeof(float));
    }
}
