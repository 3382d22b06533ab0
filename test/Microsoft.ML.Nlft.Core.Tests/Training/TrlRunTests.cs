using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>
/// Trains on the rows of golden/trl-sft and compares every step with what TRL's trainer logged, and with the same run in float64: losses to 2e-5,
/// norms of gradients and final parameters to 1e-4, relative to max(1, |x|).
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class TrlRunTests
{
    private const double LossTolerance = 2e-5, NormTolerance = 1e-4, ParameterTolerance = 1e-4;

    private double _loss, _norm, _parameter;

    /// <summary>A step as the run reports it.</summary>
    private sealed record Step(double Loss, double GradientNorm, double LearningRate, long TokensSeen);

    public static IEnumerable<object[]> Names => TrlRun.Names;

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Run_RowsOfTrl_GivesItsLossesNormsAndRates(string name)
    {
        var run = new TrlRun(name);
        using var folder = ModelFolder.Open(Fixtures.Path_("golden", "trl-sft", "model"));
        using var model = run.Load(new ManagedEngine(2), folder);
        var steps = Train(run, model);
        Assert.HasCount(run.Series.Length, steps);
        foreach (var (step, (found, expected)) in steps.Zip(run.Series).Index())
        {
            var what = $"{name}, step {step + 1}";
            foreach (var loss in (string[])["loss", "loss_float64"])
                _loss = Math.Max(_loss, Difference(expected.GetProperty(loss).GetDouble(), found.Loss, LossTolerance, $"{what}: {loss}"));
            foreach (var norm in (string[])["grad_norm", "grad_norm_float64"])
                _norm = Math.Max(_norm, Difference(expected.GetProperty(norm).GetDouble(), found.GradientNorm, NormTolerance, $"{what}: {norm}"));
            Assert.AreEqual(expected.GetProperty("learning_rate_applied").GetDouble(), found.LearningRate, 1e-12, $"{what}: learning rate");
            Assert.AreEqual(expected.GetProperty("num_items_in_batch").GetInt32(),
                run.Windows[step % run.Windows.Length].Sum(row => run.Rows[row].CountedTokens), $"{what}: tokens that count");
            Assert.AreEqual((long)expected.GetProperty("num_tokens").GetDouble(), found.TokensSeen, $"{what}: all tokens");
        }
        CompareParameters(run, model, name);
        Console.WriteLine($"{name}: {steps.Count} steps, largest differences {_loss:E1} (losses), {_norm:E1} (norms), {_parameter:E1} (parameters)");
    }

    private static List<Step> Train(TrlRun run, ICausalLanguageModel model)
    {
        var options = run.Options;
        if (run.IsRegular)
        {
            return [.. new TrainingRun(model, run.Rows, run.Objective, options).Run().Steps
                .Select(step => new Step(step.Loss, step.GradientNorm, step.LearningRate, step.TokensSeen))];
        }

        // Packed rows hold unequal numbers of documents, so windows are given one by one.
        var (team, steps, seen) = (new TrainingTeam(null), new List<Step>(), 0L);
        var contexts = new ConstantContexts(model, run.Objective, run.Rows, team);
        var loop = new TrainingStep(model, run.Objective, options, contexts, team, TimeProvider.System);
        var rates = new LearningRateCurve(options.Schedule, options.LearningRate, options.WarmupRatio, run.Steps);
        for (var step = 0; step < run.Steps; step++)
        {
            var window = new TrainingWindow(run.Rows, run.Windows[step % run.Windows.Length], step / run.Windows.Length, step + 1);
            var outcome = loop.Apply(window, loop.Accumulate(window, CancellationToken.None), rates.At(step));
            seen += outcome.Metrics!.TokensTrained;
            steps.Add(new(outcome.Metrics.Loss, outcome.GradientNorm, outcome.LearningRate, seen));
        }
        return steps;
    }

    private void CompareParameters(TrlRun run, ICausalLanguageModel model, string name)
    {
        var found = model.Export(ModelState.Weights).ToDictionary(tensor => tensor.Name);
        Assert.HasCount(run.FinalParameters.EnumerateObject().Count(), found, name);
        foreach (var parameter in run.FinalParameters.EnumerateObject())
        {
            var tensor = found[parameter.Name.Contains(".lora_", StringComparison.Ordinal) ? parameter.Name[..^".weight".Length] : parameter.Name];
            var what = $"{name}: {parameter.Name}";
            CollectionAssert.AreEqual(parameter.Value.GetProperty("shape").Ints(), tensor.Shape, what);
            double[] values = EngineSteps.Doubles(tensor.Values), first = parameter.Value.Doubles("first");
            Compare(parameter.Value.GetProperty("norm").GetDouble(), Math.Sqrt(values.Sum(x => x * x)), what);
            Compare(parameter.Value.GetProperty("sum").GetDouble(), values.Sum(), what);
            for (var i = 0; i < first.Length; i++) Compare(first[i], values[i], what);
        }

        void Compare(double expected, double value, string what) =>
            _parameter = Math.Max(_parameter, Difference(expected, value, ParameterTolerance, what));
    }

    /// <summary>Returns the difference relative to max(1, |x|), which must lie within the tolerance.</summary>
    private static double Difference(double expected, double found, double tolerance, string what)
    {
        var scale = Math.Max(1, Math.Abs(expected));
        Assert.AreEqual(expected, found, tolerance * scale, what);
        return Math.Abs(expected - found) / scale;
    }
}
