using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Study;

/// <summary>
/// Compares the epoch that early stopping picks with the best epoch of the same run trained to its end; <c>--early-stopping</c> prints the table.
/// </summary>
internal sealed class EarlyStopping(string modelFolder, TextWriter log)
{
    private const int Rows = 100, HeldOut = 100, Few = 30, Epochs = 8, Patience = 2;
    private const double Tolerance = 0.02 + 1e-9;

    /// <summary>The measures: the number of held-out questions to answer; 0: the loss decides.</summary>
    private static readonly int[] s_measures = [0, Few, HeldOut];

    private readonly List<Choice> _choices = [];

    /// <summary>A run that stopped early, and the test accuracy after each epoch of the whole run.</summary>
    private sealed record Choice(string Family, int Seed, int Answered, int Stopped, int Epoch, double Accuracy, double[] Epochs)
    {
        public int BestEpoch => 1 + Array.IndexOf(Epochs, Epochs.Max());

        public double Difference => Epochs.Max() - Accuracy;
    }

    /// <summary>Trains on every family with every seed and prints a row per run.</summary>
    /// <param name="data">The rows and tests of the families.</param>
    /// <param name="seeds">Seeds per family.</param>
    /// <param name="cancellationToken">Cancels the runs.</param>
    public void Run(IReadOnlyDictionary<string, StudyData> data, int seeds, CancellationToken cancellationToken)
    {
        log.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Rows} rows, up to {HeldOut} rows of other questions held out, {Epochs} epochs, patience {Patience}, rate "
            + $"{Variant.CommonRate:0.0e+0}."));
        log.WriteLine("| family | seed | measure | stopped after epoch | chosen epoch | accuracy there | best epoch | accuracy there | difference | "
            + "last epoch |");
        log.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var (family, problems) in data)
        {
            for (var seed = 1; seed <= seeds; seed++)
            {
                if (problems.Rows(Mix.AsTheyCome, Rows, seed) is not { } drawn) continue;
                TrainingExample[] rows = [.. drawn.Select(row => row.Example)];
                var heldOut = problems.HeldOut(rows, HeldOut, seed);
                var epochs = TestEveryEpoch(rows, heldOut, problems, seed, cancellationToken);
                foreach (var answered in s_measures) Print(Stop(family, rows, heldOut, problems, seed, answered, epochs, cancellationToken));
            }
        }
        Summarize();
    }

    /// <summary>Prints the mean over the seeds by family and measure, and a sentence for each measure.</summary>
    private void Summarize()
    {
        log.WriteLine();
        log.WriteLine("| family | measure | within 2 points | at the chosen epoch | at the best | below it, at most | at the last |");
        log.WriteLine("|---|---|---|---|---|---|---|");
        foreach (var cell in _choices.GroupBy(choice => (choice.Family, choice.Answered)))
        {
            log.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {cell.Key.Family} | {Name(cell.Key.Answered)} | {Near(cell)} of {cell.Count()} | "
                + $"{100 * cell.Average(choice => choice.Accuracy):0.0} % | {100 * cell.Average(choice => choice.Epochs.Max()):0.0} % | "
                + $"{100 * cell.Max(choice => choice.Difference):0.0} | {100 * cell.Average(choice => choice.Epochs[^1]):0.0} % |"));
        }
        log.WriteLine();
        foreach (var measure in _choices.GroupBy(choice => choice.Answered))
        {
            log.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"By {Name(measure.Key)}: {Near(measure)} of {measure.Count()} runs within 2 points of the best epoch, "
                + $"{100 * measure.Average(choice => choice.Difference):0.0} points below it on average, at most "
                + $"{100 * measure.Max(choice => choice.Difference):0.0}; the last epoch is "
                + $"{100 * measure.Average(choice => choice.Epochs.Max() - choice.Epochs[^1]):0.0} below it on average."));
        }

        static int Near(IEnumerable<Choice> choices) => choices.Count(choice => choice.Difference <= Tolerance);
    }

    private static FineTuneOptions Options(int seed, int answered, int patience) => new()
    {
        Epochs = Epochs, BatchSize = StudyRun.BatchSize, LearningRate = Variant.CommonRate, Seed = seed,
        Validation = new()
        {
            Measure = answered > 0 ? ValidationMeasure.Accuracy : ValidationMeasure.Loss, Patience = patience, MaximumNewTokens = 160,
            GeneratedRows = answered,
        },
    };

    /// <summary>Trains to the end and returns the test accuracy after every epoch.</summary>
    private double[] TestEveryEpoch(
        TrainingExample[] rows, IReadOnlyList<TrainingExample> heldOut, StudyData problems, int seed, CancellationToken cancellationToken)
    {
        using var model = Load(seed, cancellationToken);
        var accuracies = new List<double>();
        model.FineTune(rows, new NaturalLanguageObjective(), Options(seed, answered: 0, patience: 0),
            new Listener<TrainingProgress>(step =>
            {
                if (step.Epoch == accuracies.Count + 1) accuracies.Add(Test(model, problems, cancellationToken)); // on the thread that trains
            }), cancellationToken, validation: heldOut);
        return [.. accuracies];
    }

    /// <summary>Trains with early stopping and tests the model that is returned.</summary>
    private Choice Stop(
        string family, TrainingExample[] rows, IReadOnlyList<TrainingExample> heldOut, StudyData problems, int seed, int answered,
        double[] epochs, CancellationToken cancellationToken)
    {
        using var model = Load(seed, cancellationToken);
        var result = model.FineTune(
            rows, new NaturalLanguageObjective(), Options(seed, answered, Patience), cancellationToken: cancellationToken, validation: heldOut);
        var choice = new Choice(family, seed, answered, (int)result.Steps[^1].Epoch, (int)result.Best!.Epoch,
            Test(model, problems, cancellationToken), epochs);
        if (choice.Accuracy != epochs[choice.Epoch - 1])
            throw new InvalidOperationException("The run that stopped early differs from the whole run.");
        _choices.Add(choice);
        return choice;
    }

    private LocalModel Load(int seed, CancellationToken cancellationToken) =>
        LocalModel.Load(modelFolder, new() { Trainable = TrainableWeights.Lora, Seed = seed }, cancellationToken);

    private static double Test(LocalModel model, StudyData problems, CancellationToken cancellationToken) =>
        (double)problems.TestModel(model, cancellationToken).Right / problems.Test.Count;

    private void Print(Choice choice) => log.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {choice.Family} | {choice.Seed} | {Name(choice.Answered)} | {choice.Stopped} | "
        + $"{choice.Epoch} | {100 * choice.Accuracy:0.0} % | {choice.BestEpoch} | {100 * choice.Epochs.Max():0.0} % | "
        + $"{100 * choice.Difference:0.0} | {100 * choice.Epochs[^1]:0.0} % |"));

    private static string Name(int answered) => answered == 0 ? "loss" : $"accuracy of {answered}";
}
