using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Study;

/// <summary>How the responses of a row set are chosen.</summary>
internal enum Mix
{
    /// <summary>As sampled: the first rows after a shuffle.</summary>
    AsTheyCome,

    /// <summary>Wrong responses only.</summary>
    AllWrong,

    /// <summary>Correct responses only.</summary>
    AllCorrect,
}

/// <summary>A method of the comparison.</summary>
/// <param name="Name">The name in tables and the ledger.</param>
/// <param name="What">A short description.</param>
/// <param name="Objective">Creates the objective.</param>
/// <param name="Refresh">When the judge and standard contexts are scored.</param>
/// <param name="Rows">Selects the training rows among the drawn ones; empty when there are none.</param>
/// <param name="IsVariant">Whether it is a variant of NLFT, which the plot omits.</param>
/// <param name="NeedsBothKinds">Whether it applies only to responses as sampled.</param>
internal sealed record Method(
    string Name, string What, Func<ITokenObjective> Objective, ContextRefresh Refresh,
    Func<IReadOnlyList<StudyRow>, IReadOnlyList<TrainingExample>> Rows, bool IsVariant = false, bool NeedsBothKinds = false)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<Method> All { get; } =
    [
        new("NLFT", "the published objective", () => new NaturalLanguageObjective(), ContextRefresh.EveryStep, AsDrawn),
        new("NLFT, no clusters", "without cluster neighbours", () =>
            new NaturalLanguageObjective(new() { ClusterRule = ClusterRule.None }), ContextRefresh.EveryStep, AsDrawn, IsVariant: true),
        new("NLFT, cached", "judge and standard contexts scored once, before the first step", () =>
            new NaturalLanguageObjective(), ContextRefresh.Once, AsDrawn, IsVariant: true),
        new("NLFT, judge likelihood", "with the aligned likelihood of the judge context", () =>
            new NaturalLanguageObjective(new() { JudgeLikelihood = true }), ContextRefresh.EveryStep, AsDrawn, IsVariant: true),
        new("SFT, same responses", "the likelihood of the same responses, right and wrong", () =>
            new LikelihoodObjective(), ContextRefresh.EveryStep, AsDrawn),
        new("SFT, correct responses", "of the right ones among them only (rejection sampling), repeated up to the same number of rows", () =>
            new LikelihoodObjective(), ContextRefresh.EveryStep, CorrectOnes, NeedsBothKinds: true),
        new("SFT, gold answers", "of the worked gold solutions of the same questions, which no other method sees", () =>
            new LikelihoodObjective(), ContextRefresh.EveryStep, Gold, NeedsBothKinds: true),
    ];

    private static IReadOnlyList<TrainingExample> AsDrawn(IReadOnlyList<StudyRow> rows) => [.. rows.Select(row => row.Example)];

    private static IReadOnlyList<TrainingExample> CorrectOnes(IReadOnlyList<StudyRow> rows)
    {
        var correct = rows.Where(row => row.Example.Polarity == Polarity.Correct).Select(row => row.Example).ToList();
        return correct.Count == 0 ? [] : [.. Enumerable.Range(0, rows.Count).Select(i => correct[i % correct.Count])];
    }

    private static IReadOnlyList<TrainingExample> Gold(IReadOnlyList<StudyRow> rows) =>
        [.. rows.Select(row => row.Example with { Response = row.GoldSolution, Judgment = null })];
}

/// <summary>A response of the base model, judged, with the worked gold solution of its question.</summary>
internal sealed record StudyRow(TrainingExample Example, string GoldSolution);
