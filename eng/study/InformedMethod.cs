using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Recipes;

namespace Microsoft.ML.Nlft.Study;

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
            run => run.Train(run.Rows, new NaturalLanguageObjective(), trainOnAnswers: true)),
        new("NLFT, judge likelihood, and solutions", "the same with the aligned likelihood of the judge context", run => run.Train(
            run.Rows, new NaturalLanguageObjective(new() { JudgeLikelihood = true }), trainOnAnswers: true)),
        new("CUT", "contrastive unlikelihood on the responses", run => run.Train(run.Rows, new ContrastiveUnlikelihoodObjective())),
        new("CUT and solutions", "CUT on the responses, and on the solutions as right ones",
            run => run.Train(run.Rows, new ContrastiveUnlikelihoodObjective(), trainOnAnswers: true)),
        new("self-distillation", "of the predictions in view of the solution, on the responses",
            run => run.Train(run.Rows, new SelfDistillationObjective())),
        new("self-distillation, rounds", "the same on responses drawn anew in five rounds",
            run => run.TrainInRounds(new SelfDistillationObjective(), new())),
        new("NLFT, rounds", "NLFT on responses drawn anew in five rounds", run => run.TrainInRounds(new NaturalLanguageObjective(), new())),
        new("expert iteration", "SFT on the right ones of four responses to a question, five rounds, earlier ones kept", run =>
            run.TrainInRounds(new LikelihoodObjective(), new() { Keep = KeptResponses.Right, KeepEarlier = true, SamplesPerQuestion = 4 })),
        new("rationalisation", "the same with responses drawn in view of the solution", run => run.TrainInRounds(new LikelihoodObjective(),
            new() { Keep = KeptResponses.Right, KeepEarlier = true, SamplesPerQuestion = 4, DrawFrom = PromptContexts.Standard })),
        new("rejection sampling", "expert iteration that trains on the solutions too", run => run.TrainInRounds(
            Recipe.RejectionSampling.Objective, Recipe.RejectionSampling.Rounds!, Recipe.RejectionSampling.Training.TrainOnAnswers)),
        new("NLFT and solutions, rounds", "NLFT on responses drawn anew in five rounds, and on the solutions as right ones",
            run => run.TrainInRounds(new NaturalLanguageObjective(), new(), trainOnAnswers: true)),
        new("ReFT", "a warm-up on the solutions, then proximal policy optimization for ten epochs", run => run.TrainReinforced()),
    ];
}
