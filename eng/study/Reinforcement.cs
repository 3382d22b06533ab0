using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Study;

/// <summary>
/// Sets NLFT beside reinforced fine-tuning on the same rows: what each reaches, and how long and how much memory ReFT takes to come as far as NLFT,
/// if it does. The rows carry the worked solution, which the warm-up of ReFT learns; NLFT reads it as the answer.
/// </summary>
internal sealed class Reinforcement(string modelFolder, TextWriter log)
{
    private const int Rows = 50, Epochs = 20;
    private const double NlftRate = 1e-3, WarmUpRate = 1e-3, ReinforcedRate = 3e-4;

    public void Run(IReadOnlyDictionary<string, StudyData> families, int seeds, CancellationToken cancellationToken)
    {
        log.WriteLine("| family | seed | NLFT | time | memory | after warm-up | ReFT, best | time to NLFT's accuracy | time in all | memory |");
        log.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        var cells = new List<(int Nlft, double Seconds, double Memory, int WarmUp, int Best, double? Reached, double All, double Peak)>();
        foreach (var (name, data) in families)
        {
            for (var seed = 1; seed <= seeds; seed++)
            {
                if (data.Rows(Mix.AsTheyCome, Rows, seed) is not { } rows) continue;
                var nlft = Nlft(rows, data, seed, cancellationToken);
                var reft = Reft(rows, data, seed, nlft.Right, cancellationToken);
                cells.Add((nlft.Right, nlft.Seconds, nlft.Memory, reft.WarmUp, reft.Best, reft.Reached, reft.Seconds, reft.Memory));
                log.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {name} | {seed} | {Percent(nlft.Right)} | {nlft.Seconds:0.0} s | {nlft.Memory:0} MB | {Percent(reft.WarmUp)} | "
                    + $"{Percent(reft.Best)} | {(reft.Reached is { } at ? $"{at:0.0} s" : "never")} | {reft.Seconds:0.0} s | {reft.Memory:0} MB |"));

                string Percent(int right) => string.Create(CultureInfo.InvariantCulture, $"{100.0 * right / data.Test.Count:0.0} %");
            }
        }
        log.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"NLFT took {100 * cells.Average(cell => 1 - cell.Seconds / cell.All):0} % less time than the whole of ReFT, and "
            + $"{100 * cells.Average(cell => 1 - cell.Memory / cell.Peak):0} % less memory, on average. ReFT came as far as NLFT in "
            + $"{cells.Count(cell => cell.Reached is not null)} of {cells.Count} runs, its warm-up alone in "
            + $"{cells.Count(cell => cell.WarmUp >= cell.Nlft)}; its best epoch was "
            + $"{cells.Average(cell => cell.Best - cell.WarmUp):0.0} tests of 100 better than the warm-up."));
    }

    private (int Right, double Seconds, double Memory) Nlft(IReadOnlyList<StudyRow> rows, StudyData data, int seed,
        CancellationToken cancellationToken)
    {
        using var model = Load(seed, cancellationToken);
        var memory = new PeakMemory();
        var watch = Stopwatch.StartNew();
        model.FineTune([.. rows.Select(row => row.Example with { Answer = row.GoldSolution })], new NaturalLanguageObjective(), new FineTuneOptions
        {
            Epochs = StudyRun.EpochsFor(rows.Count), BatchSize = StudyRun.BatchSize, LearningRate = NlftRate, Seed = seed,
        }, new Listener<TrainingProgress>(_ => memory.Sample()), cancellationToken);
        var (seconds, peak) = (watch.Elapsed.TotalSeconds, memory.Megabytes());
        return (data.TestModel(model, cancellationToken).Right, seconds, peak);
    }

    /// <summary>Tests the model after every epoch, with the watch stopped.</summary>
    private (int WarmUp, int Best, double? Reached, double Seconds, double Memory) Reft(IReadOnlyList<StudyRow> rows, StudyData data, int seed,
        int goal, CancellationToken cancellationToken)
    {
        using var model = Load(seed, cancellationToken);
        var questions = rows.DistinctBy(row => row.Example.Question).Select(row => new DataRow
        {
            Question = row.Example.Question, Answer = row.Example.Answer, Response = row.GoldSolution,
        }).ToList();
        var memory = new PeakMemory();
        var watch = Stopwatch.StartNew();
        var warmUp = new FineTuneOptions
        {
            Epochs = StudyRun.EpochsFor(questions.Count), BatchSize = StudyRun.BatchSize, LearningRate = WarmUpRate, Seed = seed,
            AllowContradictions = true,
        };
        model.FineTune([.. questions.Select(row => row.ToExample())], new LikelihoodObjective(), warmUp,
            new Listener<TrainingProgress>(_ => memory.Sample()), cancellationToken);
        var (first, best, reached) = (Test(), 0, (double?)null);
        best = first;
        if (first >= goal) reached = watch.Elapsed.TotalSeconds;
        new ReinforcedRun(model, questions, new()
        {
            WarmUp = null, Epochs = Epochs, BatchSize = 16, LearningRate = ReinforcedRate, Seed = seed,
            Generation = new() { Temperature = 1, MaximumNewTokens = 160, MaximumBatchSize = 16 },
        }).Run(new Listener<ReinforcedProgress>(report =>
        {
            memory.Sample();
            if (report.Epoch != Math.Floor(report.Epoch)) return;
            var right = Test();
            best = Math.Max(best, right);
            if (right >= goal) reached ??= watch.Elapsed.TotalSeconds;
        }), cancellationToken);
        return (first, best, reached, watch.Elapsed.TotalSeconds, memory.Megabytes());

        int Test()
        {
            watch.Stop();
            var right = data.TestModel(model, cancellationToken).Right;
            watch.Start();
            return right;
        }
    }

    private LocalModel Load(int seed, CancellationToken cancellationToken) =>
        LocalModel.Load(modelFolder, new() { Trainable = TrainableWeights.Lora, Seed = seed }, cancellationToken);
}
