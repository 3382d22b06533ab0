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
    /// <summary>The worked solutions as right responses, one for every question.</summary>
    public IReadOnlyList<TrainingExample> Solutions =>
        [.. Rows.DistinctBy(row => row.Question).Select(row => row with { Response = row.Answer, Judgment = null })];

    /// <summary>The questions with their worked solutions.</summary>
    public IReadOnlyList<DataRow> Questions => [.. Solutions.Select(row => new DataRow
    {
        Question = row.Question, Answer = row.Answer, Response = row.Response, Source = row.Source,
    })];

    /// <summary>Trains on rows for about as many steps as every other method.</summary>
    /// <returns>The steps; null: there are no rows.</returns>
    public int? Train(IReadOnlyList<TrainingExample> rows, ITokenObjective objective)
    {
        if (rows.Count == 0) return null;
        return Model.FineTune(rows, objective, new FineTuneOptions
        {
            Epochs = StudyRun.TargetSteps, MaximumSteps = StudyRun.TargetSteps, BatchSize = StudyRun.BatchSize, LearningRate = Rate, Seed = Seed,
            AllowContradictions = true,
        }, new Sampler<TrainingProgress>(Memory), Cancellation).Steps.Count;
    }

    /// <summary>Trains in five rounds of as many steps in all.</summary>
    /// <returns>The steps; null: no round had a row to train on.</returns>
    public int? TrainInRounds(ITokenObjective objective, OnPolicyOptions options)
    {
        try
        {
            return new OnPolicyRun(Model, Questions, Judge, objective, options with
            {
                Rounds = 5, StepsPerRound = StudyRun.TargetSteps / 5,
                Generation = new() { Temperature = 1, MaximumNewTokens = 160, MaximumBatchSize = 100, Seed = Seed },
                Training = new() { BatchSize = StudyRun.BatchSize, LearningRate = Rate, Seed = Seed },
            }).RunAsync(new Sampler<OnPolicyProgress>(Memory), Cancellation).GetAwaiter().GetResult().Rounds.Sum(round => round.Steps);
        }
        catch (NlftException e) when (e.Subject == "the rounds")
        {
            return null;
        }
    }

    private sealed class Sampler<T>(PeakMemory memory) : IProgress<T>
    {
        public void Report(T value) => memory.Sample();
    }
}

/// <summary>A method of the comparison on the same information: every one may read all columns of the rows.</summary>
/// <param name="Name">The name in tables and the ledger.</param>
/// <param name="What">A short description.</param>
/// <param name="Train">Trains a model; returns the optimizer steps, or null if there is nothing to train on.</param>
internal sealed record InformedMethod(string Name, string What, Func<InformedRun, int?> Train)
{
    /// <summary>All of them; the first is the one that the others are compared with.</summary>
    public static IReadOnlyList<InformedMethod> All { get; } =
    [
        new("SFT, solutions", "the likelihood of the worked solutions", run => run.Train(run.Solutions, new LikelihoodObjective())),
        new("SFT, same responses", "of the responses, right and wrong", run => run.Train(run.Rows, new LikelihoodObjective())),
        new("SFT, right responses", "of the right ones among them",
            run => run.Train([.. run.Rows.Where(row => row.Polarity == Polarity.Correct)], new LikelihoodObjective())),
        new("NLFT", "the published objective on the responses", run => run.Train(run.Rows, new NaturalLanguageObjective())),
        new("NLFT, judge likelihood", "with the aligned likelihood of the judge context",
            run => run.Train(run.Rows, new NaturalLanguageObjective(new() { JudgeLikelihood = true }))),
        new("NLFT, teacher", "its salient tokens learn what the model writes in view of the solution",
            run => run.Train(run.Rows, new NaturalLanguageObjective(new() { SalientTarget = SalientTarget.Teacher }))),
        new("NLFT and solutions", "NLFT on the responses, and on the solutions as right ones",
            run => run.Train([.. run.Rows, .. run.Solutions], new NaturalLanguageObjective())),
        new("CUT", "contrastive unlikelihood on the responses", run => run.Train(run.Rows, new ContrastiveUnlikelihoodObjective())),
        new("self-distillation", "of the predictions in view of the solution, on the responses",
            run => run.Train(run.Rows, new SelfDistillationObjective())),
        new("self-distillation, rounds", "the same on responses drawn anew in five rounds",
            run => run.TrainInRounds(new SelfDistillationObjective(), new())),
        new("NLFT, rounds", "NLFT on responses drawn anew in five rounds", run => run.TrainInRounds(new NaturalLanguageObjective(), new())),
        new("expert iteration", "SFT on the right ones of four responses to a question, five rounds, earlier ones kept", run =>
            run.TrainInRounds(new LikelihoodObjective(), new() { Keep = KeptResponses.Right, KeepEarlier = true, SamplesPerQuestion = 4 })),
        new("rationalisation", "the same with responses drawn in view of the solution", run => run.TrainInRounds(new LikelihoodObjective(),
            new() { Keep = KeptResponses.Right, KeepEarlier = true, SamplesPerQuestion = 4, DrawFrom = PromptContexts.Standard })),
        new("ReFT", "a warm-up on the solutions, then proximal policy optimization for ten epochs", Reinforced),
    ];

    private static int? Reinforced(InformedRun run)
    {
        var steps = run.Train(run.Solutions, new LikelihoodObjective());
        var result = new ReinforcedRun(run.Model, run.Questions, new()
        {
            WarmUp = null, Epochs = 10, BatchSize = 16, LearningRate = 3e-4, Seed = run.Seed,
            Generation = new() { Temperature = 1, MaximumNewTokens = 160, MaximumBatchSize = 16 },
        }).Run(null, run.Cancellation);
        run.Memory.Sample();
        return steps + 2 * result.Batches.Count;
    }
}
