using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Study;

/// <summary>NLFT with one option changed, or a baseline, at a given learning rate; <c>--variants</c> compares them.</summary>
internal sealed record Variant(Method Method, double Rate)
{
    /// <summary>The learning rate, except in variants of the rate.</summary>
    public const double CommonRate = 1e-3;

    /// <summary>The rows and seeds of every comparison.</summary>
    public const int Rows = 50, Seeds = 3;

    /// <summary>The compared row mixes: those with wrong responses, where NLFT differs from likelihood.</summary>
    public static IReadOnlyList<Mix> Mixes { get; } = [Mix.AsTheyCome, Mix.AllWrong];

    /// <summary>All variants, NLFT as published first.</summary>
    public static IReadOnlyList<Variant> All { get; } =
    [
        new(Method.All[0], CommonRate),
        Nlft("a third of the learning rate", new(), 3e-4),
        Nlft("three times the learning rate", new(), 3e-3),
        Nlft("judge likelihood", new() { JudgeLikelihood = true }),
        Nlft("no likelihood of right responses", new() { CorrectLikelihood = false }),
        Nlft("no clusters", new() { ClusterRule = ClusterRule.None }),
        Nlft("clusters of similar tokens", new() { ClusterRule = ClusterRule.Similar }),
        Nlft("salient tokens alone", new() { MaximumSalientShare = 0 }),
        Nlft("ordinary tokens always", new() { MaximumSalientShare = 1 }),
        Nlft("salient from j/b > 1.1", new() { SalientRatioToBase = 1.1 }),
        Nlft("salient whatever the standard answer says", new() { SalientRatioToStandard = 0 }),
        Nlft("ordinary tokens weigh s^2", new() { IncorrectOrdinaryExponent = 2 }),
        Nlft("scale 1", new() { Scale = 1 }),
        Nlft("contexts scored once", new(), refresh: ContextRefresh.Once),
        .. Method.All.Where(method => method.Name.StartsWith("SFT", StringComparison.Ordinal)).Select(method => new Variant(method, CommonRate)),
    ];

    /// <summary>Lists the runs as cells with their rates.</summary>
    public static IEnumerable<(Cell Cell, Variant Variant)> Plan(IReadOnlyList<StudyFamily> families) =>
        from family in families
        from mix in Mixes
        from variant in All
        where mix == Mix.AsTheyCome || !variant.Method.NeedsBothKinds
        from seed in Enumerable.Range(1, Seeds)
        select (new Cell(family, mix, Rows, variant.Method, seed), variant);

    private static Variant Nlft(string name, NaturalLanguageObjectiveOptions options, double rate = CommonRate,
        ContextRefresh refresh = ContextRefresh.EveryStep) =>
        new(Method.All[0] with { Name = $"NLFT, {name}", What = "", Objective = () => new NaturalLanguageObjective(options), Refresh = refresh },
            rate);
}
