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
    private const int Rows = 100, Epochs = 8, Patience = 2, Answered = 30;
    private const double Share = 0.3, Near = 0.02 + 1e-9;

    private readonly List<Choice> _choices = [];

    /// <summary>A run that stopped early, and the test accuracy after each epoch of the whole run.</summary>
    private sealed record Choice(string Family, int Seed, ValidationMeasure Measure, int Stopped, int Epoch, double Accuracy, double[] Epochs)
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
            $"{Rows} rows, {100 * Share:0} % of the questions held out, {Epochs} epochs, patience {Patience}, rate "
            + $"{Variant.CommonRate:0.0e+0}; by accuracy: of up to {Answered} held-out questions."));
        log.WriteLine("| family | seed | measure | stopped after epoch | chosen epoch | accuracy there | best epoch | accuracy there | difference | "
            + "last epoch |");
        log.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var (family, problems) in data)
        {
            for (var seed = 1; seed <= seeds; seed++)
            {
                if (problems.Rows(Mix.AsTheyCome, Rows, seed) is not { } drawn) continue;
                TrainingExample[] rows = [.. drawn.Select(row => row.Example)];
                var epochs = TestEveryEpoch(rows, problems, seed, cancellationToken);
                foreach (var measure in Enum.GetValues<ValidationMeasure>())
                    Print(Stop(family, rows, problems, seed, measure, epochs, cancellationToken));
            }
        }
        foreach (var measure in _choices.GroupBy(choice => choice.Measure))
        {
            var near = measure.Count(choice => choice.Difference <= Near);
            log.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"By {Name(measure.Key)}: {near} of {measure.Count()} runs within 2 points of the best epoch, "
                + $"{100 * measure.Average(choice => choice.Difference):0.0} points below it on average, at most "
                + $"{100 * measure.Max(choice => choice.Difference):0.0}; the last epoch is "
                + $"{100 * measure.Average(choice => choice.Epochs.Max() - choice.Epochs[^1]):0.0} below it on average."));
        }
    }

    private static FineTuneOptions Options(int seed, ValidationMeasure measure, int patience) => new()
    {
        Epochs = Epochs, BatchSize = StudyRun.BatchSize, LearningRate = Variant.CommonRate, Seed = seed,
        Validation = new()
        {
            Share = Share, Measure = measure, Patience = patience, MaximumNewTokens = 160,
            GeneratedRows = measure == ValidationMeasure.Accuracy ? Answered : 0,
        },
    };

    /// <summary>Trains to the end and returns the test accuracy after every epoch.</summary>
    private double[] TestEveryEpoch(TrainingExample[] rows, StudyData problems, int seed, CancellationToken cancellationToken)
    {
        using var model = Load(seed, cancellationToken);
        var accuracies = new List<double>();
        model.FineTune(rows, new NaturalLanguageObjective(), Options(seed, ValidationMeasure.Loss, patience: 0),
            new Listener(step =>
            {
                if (step.Epoch == accuracies.Count + 1) accuracies.Add(Test(model, problems, cancellationToken)); // on the thread that trains
            }), cancellationToken);
        return [.. accuracies];
    }

    /// <summary>Trains with early stopping and tests the model that is returned.</summary>
    private Choice Stop(
        string family, TrainingExample[] rows, StudyData problems, int seed, ValidationMeasure measure, double[] epochs,
        CancellationToken cancellationToken)
    {
        using var model = Load(seed, cancellationToken);
        var result = model.FineTune(
            rows, new NaturalLanguageObjective(), Options(seed, measure, Patience), cancellationToken: cancellationToken);
        var choice = new Choice(family, seed, measure, (int)result.Steps[^1].Epoch, (int)result.Best!.Epoch, Test(model, problems, cancellationToken),
            epochs);
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
        $"| {choice.Family} | {choice.Seed} | {Name(choice.Measure)} | {choice.Stopped} | "
        + $"{choice.Epoch} | {100 * choice.Accuracy:0.0} % | {choice.BestEpoch} | {100 * choice.Epochs.Max():0.0} % | "
        + $"{100 * choice.Difference:0.0} | {100 * choice.Epochs[^1]:0.0} % |"));

    private static string Name(ValidationMeasure measure) => measure == ValidationMeasure.Loss ? "loss" : "accuracy";

    private sealed class Listener(Action<TrainingProgress> told) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => told(value);
    }
}
