using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Study;

/// <summary>What a method of the comparison on the same information trains with.</summary>
/// <param name="Model">A fresh model.</param>
/// <param name="Rows">The judged responses, with the worked solution as the answer.</param>
/// <param name="Judge">Judges new responses as the rows were judged.</param>
/// <param name="Rate">The learning rate.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Memory">Samples the memory.</param>
/// <param name="Cancellation">Cancels the training.</param>
internal sealed record InformedRun(LocalModel Model, IReadOnlyList<TrainingExample> Rows, IResponseJudge Judge, double Rate, int Seed,
    PeakMemory Memory, CancellationToken Cancellation)
{
    /// <summary>The optimizer steps; those of rounds are a fifth of it each.</summary>
    public int Steps { get; init; } = StudyRun.TargetSteps;

    /// <summary>The longest response that is drawn, in tokens.</summary>
    public int MaximumNewTokens { get; init; } = 160;

    /// <summary>The worked solutions as right responses, one for every question.</summary>
    public IReadOnlyList<TrainingExample> Solutions =>
        [.. Rows.DistinctBy(row => row.Question).Select(row => row with { Response = row.Answer, Judgment = null })];

    /// <summary>The questions with their worked solutions.</summary>
    public IReadOnlyList<DataRow> Questions => [.. Solutions.Select(row => new DataRow
    {
        Question = row.Question, Answer = row.Answer, Response = row.Response, Source = row.Source,
    })];

    /// <summary>What reinforced fine-tuning earns; null: by the final number, as published.</summary>
    public IResponseReward? Reward { get; init; }

    /// <summary>Trains by a method.</summary>
    /// <returns>The steps, the processor time in seconds and the peak memory in MiB; null: there was nothing to train on.</returns>
    public (int Steps, double Seconds, double Megabytes)? Measure(InformedMethod method)
    {
        var before = Environment.CpuUsage.TotalTime; // the runs may share the machine with other work
        return method.Train(this) is { } steps ? (steps, (Environment.CpuUsage.TotalTime - before).TotalSeconds, Memory.Megabytes()) : null;
    }

    /// <summary>Trains on rows for about as many steps as every other method.</summary>
    /// <returns>The steps; null: there are no rows.</returns>
    public int? Train(IReadOnlyList<TrainingExample> rows, ITokenObjective objective, bool trainOnAnswers = false)
    {
        if (rows.Count == 0) return null;
        return Model.FineTune(rows, objective, new FineTuneOptions
        {
            Epochs = Steps, MaximumSteps = Steps, BatchSize = StudyRun.BatchSize, LearningRate = Rate, Seed = Seed,
            AllowContradictions = true, TrainOnAnswers = trainOnAnswers,
        }, new Listener<TrainingProgress>(_ => Memory.Sample()), Cancellation).Steps.Count;
    }

    /// <summary>Trains in five rounds of as many steps in all.</summary>
    /// <returns>The steps; null: no round had a row to train on.</returns>
    public int? TrainInRounds(ITokenObjective objective, OnPolicyOptions options, bool trainOnAnswers = false)
    {
        try
        {
            return new OnPolicyRun(Model, Questions, Judge, objective, options with
            {
                Rounds = 5, StepsPerRound = Steps / 5,
                Generation = new() { Temperature = 1, MaximumNewTokens = MaximumNewTokens, MaximumBatchSize = 100, Seed = Seed },
                Training = new() { BatchSize = StudyRun.BatchSize, LearningRate = Rate, Seed = Seed, TrainOnAnswers = trainOnAnswers },
            }).RunAsync(new Listener<OnPolicyProgress>(_ => Memory.Sample()), Cancellation).GetAwaiter().GetResult().Rounds.Sum(round => round.Steps);
        }
        catch (NlftException e) when (e.Subject == "the rounds")
        {
            return null;
        }
    }

    /// <summary>Trains on the solutions, then by proximal policy optimization for ten epochs.</summary>
    /// <returns>The steps.</returns>
    public int? TrainReinforced()
    {
        var steps = Train(Solutions, new LikelihoodObjective());
        var result = new ReinforcedRun(Model, Questions, new()
        {
            WarmUp = null, Epochs = 10, BatchSize = 16, LearningRate = 3e-4, Seed = Seed,
            Generation = new() { Temperature = 1, MaximumNewTokens = MaximumNewTokens, MaximumBatchSize = 16 },
        }, reward: Reward).Run(new Listener<ReinforcedProgress>(_ => Memory.Sample()), Cancellation);
        return steps + 2 * result.Batches.Count;
    }
}
