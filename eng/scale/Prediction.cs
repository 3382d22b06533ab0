using Microsoft.ML.Nlft.Gpu;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>The model with its numbers filled in from measurements.</summary>
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
            _crowding[pair.Shape] = Math.Max(1, (pair.Figure.Seconds - CostModel.Communicate(WorkOf(pair), 2, pair.Link, Local)) / CostModel.Compute(WorkOf(pair), 2, measured.Cores));
        // What a step over the network takes besides computing and the long sum, in rounds of short messages.
        var step = measured.NetworkSteps.FirstOrDefault(step => Measuring.IsFitted(step.Processes, step.Link));
        if (step is not null)
            ShortRounds = Math.Max(0, (step.Figure.Seconds - CostModel.Step(WorkOf(step) with { ShortRounds = 0 }, step.Processes, step.Link, Network, measured.Cores)) / (step.Link.Latency + Network.PerRound));
    }

    /// <summary>How the library forms sums, as the measurements over the network tell.</summary>
    public SumAlgorithm Algorithm { get; }

    /// <summary>What messages cost on one machine.</summary>
    public Overhead Local { get; }

    /// <summary>What messages cost over the network of this study, its packets included.</summary>
    public Overhead Network { get; }

    /// <summary>Rounds of short messages of a step, for each doubling of the processes.</summary>
    public double ShortRounds { get; }

    /// <summary>How many times as long a row takes when two processes of this machine compute.</summary>
    public double Crowding(string shape) => _crowding.GetValueOrDefault(shape, 1);

    /// <summary>What one core does of the operations that the method asks for.</summary>
    public double OperationsPerSecond { get; }

    /// <summary>The shape it was measured with.</summary>
    public string RateShape { get; }

    /// <summary>The step that was measured, as the model has it: seconds a row from the same shape on one process.</summary>
    public StepWork WorkOf(MeasuredStep step)
    {
        var alone = _measured.Steps.Single(one => one.Shape == step.Shape && one.Processes == 1).Figure;
        return new StepWork { SecondsPerRow = alone.Seconds / alone.Rows, Rows = step.Figure.Rows, Bytes = step.Figure.Bytes, ShortRounds = ShortRounds, Algorithm = Algorithm, Crowding = Crowding(step.Shape) };
    }

    /// <summary>What the model says of a step that was measured.</summary>
    public double Step(MeasuredStep step) =>
        CostModel.Step(WorkOf(step), step.Processes, step.Link, step.Link == Link.OneMachine ? Local : Network, _measured.Cores);

    /// <summary>A step of a model that nobody measured.</summary>
    /// <param name="model">The shape, with the length of a mean row.</param>
    /// <param name="rows">Rows of the window.</param>
    /// <param name="speed">How many times as fast as a core of this machine a process computes.</param>
    public StepWork WorkOf(Workload model, int rows, double speed) => new()
    {
        SecondsPerRow = (model with { Rows = 1 }).Operations("") / (OperationsPerSecond * speed),
        Rows = rows,
        Bytes = AdapterBytes(model.Model),
        ShortRounds = ShortRounds,
        Algorithm = Algorithm,
    };

    /// <summary>What is left of N times the speed.</summary>
    public double Efficiency(StepWork work, int processes, Link link) => CostModel.Efficiency(work, processes, link, Local);

    /// <summary>Bytes of the gradients of a default adapter, in single precision.</summary>
    public static double AdapterBytes(ModelConfiguration model)
    {
        var lora = new LoraConfiguration();
        return ModelLayout.LinearModules(model).Where(linear => lora.TargetModules.Any(name => linear.Name.EndsWith("." + name, StringComparison.Ordinal)))
            .Sum(linear => (double)lora.Rank * (linear.Inputs + linear.Outputs) * sizeof(float));
    }
}
