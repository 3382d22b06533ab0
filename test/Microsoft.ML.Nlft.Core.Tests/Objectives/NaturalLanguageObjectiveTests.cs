using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Tests each rule of the objective on numbers that can be checked by hand.</summary>
[TestClass]
public sealed class NaturalLanguageObjectiveTests
{
    private static readonly NaturalLanguageObjective s_published = new();

    [TestMethod]
    public void Evaluate_TokenExplainedByTheJudgmentAlone_IsSalient()
    {
        Assert.AreEqual("S", IncorrectRoles(0.4, 0.61, 0.4));
        Assert.AreEqual("o", IncorrectRoles(0.4, 0.59, 0.1), "j/b below 1.5");
        Assert.AreEqual("o", IncorrectRoles(0.1, 0.59, 0.4), "j/s below 1.5");
        Assert.AreEqual("o", IncorrectRoles(0.001, 0.009, 0.001), "j below 0.01");
        Assert.AreEqual("S", IncorrectRoles(0, 0.5, 0), "ratios are infinite");
        Assert.AreEqual("o", IncorrectRoles(0, 0, 0.5), "j = b = 0");
    }

    [TestMethod]
    [DataRow(0.4, 0.6, 0.1)]
    [DataRow(0.02, 0.03, 0.001)]
    [DataRow(1.0 / 3, 0.5, 0.1)]
    [DataRow(0.1, 0.6, 0.4)]
    [DataRow(0.0, 0.01, 0.0)]
    public void Evaluate_TokenOnAThreshold_IsNotSalient(double b, double j, double s) => Assert.AreEqual("o", IncorrectRoles(b, j, s));

    [TestMethod]
    public void Evaluate_StandardProbabilityAtTheLevel_IsNotSalient()
    {
        var tokens = s_published.Evaluate(Scores.Correct([0.5, 0.5], [0.95, 0.9501])).Tokens;
        Assert.AreEqual((TokenRole.Ordinary, TokenRole.Salient), (tokens[0].Role, tokens[1].Role));
        Assert.AreEqual(1, tokens[0].Weight, 1e-15);
    }

    [TestMethod]
    public void Evaluate_OrdinaryTokenOfIncorrectResponse_WeighsTheRootOfTheStandardProbability()
    {
        var result = s_published.Evaluate(Scores.Incorrect([0.5, 0.25], [0.5, 0.25], [0.81, 0.04]));
        AssertClose([0.9, 0.2], [.. result.Tokens.Select(t => t.Weight)]);
        AssertClose([10 / 2.0 * 0.9, 10 / 2.0 * 0.2], result.Coefficients);
        AssertClose([10 / 2.0 * (0.9 * Math.Log(2) + 0.2 * Math.Log(4))], [result.Loss]);
    }

    [TestMethod]
    public void Evaluate_SalientTokenOfIncorrectResponse_HasACoefficientProportionalToItsOdds()
    {
        var result = s_published.Evaluate(Scores.Incorrect([0.2], [0.6], [0.1]));
        var weight = 2 / (1 + Math.Exp(-1.5));
        AssertClose([weight], [result.Tokens[0].Weight]);
        AssertClose([-10 * weight * 0.25], result.Coefficients);
        AssertClose([-10 * weight * Math.Log(0.8)], [result.Loss]);
    }

    [TestMethod]
    public void Evaluate_SalientShareAboveTheLimit_ZeroesOrdinaryWeightsOnly()
    {
        // 1 of 16 is 0.0625, above 0.06; 1 of 17 is not. The denominator stays n, whatever the weights are.
        foreach (var (n, ordinary) in new[] { (16, 0.0), (17, 0.5) })
        {
            var result = s_published.Evaluate(OneSalientOf(n));
            AssertClose([1], [result.Tokens[0].Weight], 0.1);
            Assert.IsTrue(result.Tokens.Skip(1).All(t => Math.Abs(t.Weight - ordinary) < 1e-12), $"n = {n}");
            Assert.AreEqual(-10.0 / n * result.Tokens[0].Weight * 0.25, result.Coefficients[0], 1e-12);
        }
    }

    [TestMethod]
    public void Evaluate_SalientShareAtTheLimit_KeepsOrdinaryWeights()
    {
        foreach (var (salient, n) in new[] { (3, 50), (6, 100), (9, 150), (12, 200) })
        {
            var b = Enumerable.Repeat(0.2, n).ToArray();
            double[] j = [.. Enumerable.Range(0, n).Select(t => t < salient ? 0.6 : 0.2)];
            Assert.AreEqual(Math.Sqrt(0.2), s_published.Evaluate(Scores.Incorrect(b, j, b)).Tokens[^1].Weight, 1e-12, $"{salient} of {n}");
        }
    }

    [TestMethod]
    public void Evaluate_NeighbourInIncorrectResponse_HasNoWeight()
    {
        var b = Enumerable.Repeat(0.2, 20).ToArray();
        double[] j = [0.6, .. b.Skip(1)];
        var result = s_published.Evaluate(Scores.Incorrect(b, j, b, Scores.Angles([0, 90, .. Enumerable.Repeat(45.0, 18)])));
        Assert.AreEqual(new TokenSaliency(TokenRole.ClusterNeighbour, 0, 0),
            result.Tokens[1] with { Coefficient = Math.Abs(result.Tokens[1].Coefficient) });
        Assert.AreEqual(TokenRole.Ordinary, result.Tokens[2].Role);
        Assert.IsGreaterThan(0, result.Coefficients[2]);
        Assert.AreEqual(TokenRole.Ordinary, Objective(o => o with { ClusterRule = ClusterRule.None })
            .Evaluate(Scores.Incorrect(b, j, b, [])).Tokens[1].Role, "without clustering no hidden states are needed");
    }

    [TestMethod]
    public void Evaluate_CorrectResponse_WeighsOrdinaryBelowNeighbourBelowSalient()
    {
        var result = s_published.Evaluate(Scores.Correct([0.5, 0.5, 0.5], [0.475, 0.475, 0.975], Scores.Angles(90, 90, 0)));
        Assert.AreEqual("onS", RolesOf(result), "the walk from 0 degrees takes 90 and stands at 45, near the other 90");
        AssertClose([Math.Pow(0.5, 0.6), Math.Pow(0.5, 0.3), 1 + Math.Pow(0.5, 5)], [.. result.Tokens.Select(t => t.Weight)]);
    }

    [TestMethod]
    public void Evaluate_CorrectResponse_AddsWeightedAndPlainLikelihood()
    {
        var scores = Scores.Correct([0.5, 0.25], [0.475, 0.95]);
        double[] weights = [Math.Pow(0.5, 0.6), 1];
        var result = s_published.Evaluate(scores);
        AssertClose([5 * (weights[0] + 1), 10], result.Coefficients);
        AssertClose([5 * ((weights[0] + 1) * Math.Log(2) + 2 * Math.Log(4))], [result.Loss]);
        AssertClose([5 * weights[0], 5], Objective(o => o with { CorrectLikelihood = false }).Evaluate(scores).Coefficients);
    }

    [TestMethod]
    public void Evaluate_ZeroProbability_IsGuardedButATinyOneIsNot()
    {
        var zero = s_published.Evaluate(Scores.Incorrect([0], [0], [1]));
        AssertClose([-10 * Math.Log(1e-5)], [zero.Loss]);
        AssertClose([0], zero.Coefficients);

        var tiny = s_published.Evaluate(Scores.Incorrect([1e-12], [1e-12], [1]));
        AssertClose([-10 * Math.Log(1e-12)], [tiny.Loss]);
        AssertClose([10], tiny.Coefficients);

        var correct = s_published.Evaluate(Scores.Correct([0], [1]));
        AssertClose([-10 * 3 * Math.Log(1e-5)], [correct.Loss]);
        AssertClose([10], correct.Coefficients);
    }

    [TestMethod]
    public void Evaluate_ImpossibleSalientToken_CostsNothing()
    {
        var result = s_published.Evaluate(Scores.Incorrect([0], [0.5], [0.1]));
        Assert.AreEqual("S", RolesOf(result));
        AssertClose([2, 0, 0], [result.Tokens[0].Weight, result.Loss, result.Coefficients[0]]);
    }

    [TestMethod]
    public void Evaluate_TinySalientProbability_KeepsItsPrecision()
    {
        var result = s_published.Evaluate(Scores.Incorrect([1e-18], [0.5], [0.1]));
        Assert.AreEqual(1, result.Loss / (10 * 2 * 1e-18), 1e-12);
    }

    [TestMethod]
    public void Evaluate_JudgeLikelihood_TrainsTheJudgeContextWithScaleOverN()
    {
        var objective = Objective(o => o with { JudgeLikelihood = true });
        var scores = Scores.Incorrect([0.5, 0.5], [0.5, 0.25], [0.5, 0.5]);
        Assert.AreEqual(PromptContexts.Base | PromptContexts.Judge, objective.TrainedContexts(Polarity.Incorrect));
        Assert.AreEqual(PromptContexts.Base, objective.TrainedContexts(Polarity.Correct));
        var (with, without) = (objective.Evaluate(scores), s_published.Evaluate(scores));
        AssertClose([5, 5], with.JudgeCoefficients);
        AssertClose([without.Loss + 5 * (Math.Log(2) + Math.Log(4))], [with.Loss]);
        CollectionAssert.AreEqual(without.Coefficients, with.Coefficients);
        Assert.IsEmpty(without.JudgeCoefficients);
    }

    [TestMethod]
    public void ScoredAndTrainedContexts_AnyOptions_ListOnlyWhatIsRead()
    {
        Assert.AreEqual(PromptContexts.Base | PromptContexts.Standard, s_published.ScoredContexts(Polarity.Correct));
        Assert.AreEqual(PromptContexts.Base | PromptContexts.Judge | PromptContexts.Standard, s_published.ScoredContexts(Polarity.Incorrect));
        Assert.AreEqual(PromptContexts.Base, s_published.TrainedContexts(Polarity.Incorrect));
        Assert.IsTrue(s_published.NeedsHiddenStates(Polarity.Correct));
        Assert.IsFalse(Objective(o => o with { ClusterRule = ClusterRule.None }).NeedsHiddenStates(Polarity.Incorrect));

        var likelihood = new LikelihoodObjective();
        Assert.AreEqual((PromptContexts.Base, PromptContexts.Base, false),
            (likelihood.ScoredContexts(Polarity.Incorrect), likelihood.TrainedContexts(Polarity.Correct),
                likelihood.NeedsHiddenStates(Polarity.Correct)));
        Assert.AreEqual(("NLFT", "SFT"), (s_published.Name, likelihood.Name));
    }

    [TestMethod]
    public void Evaluate_LikelihoodObjective_GivesEveryTokenOneOverN()
    {
        var result = new LikelihoodObjective().Evaluate(new ExampleScores { Polarity = Polarity.Incorrect, Base = Scores.Logs(0.5, 0.25, 0, 1) });
        AssertClose([0.25, 0.25, 0.25, 0.25], result.Coefficients);
        AssertClose([(Math.Log(8) - Math.Log(1e-5)) / 4], [result.Loss]);
    }

    private static ExampleScores OneSalientOf(int n)
    {
        double[] b = [.. Enumerable.Repeat(0.2, n)];
        return Scores.Incorrect(b, [0.3001, .. b.Skip(1)], [0.1, .. Enumerable.Repeat(0.25, n - 1)]);
    }

    private static string IncorrectRoles(double b, double j, double s) => RolesOf(s_published.Evaluate(Scores.Incorrect([b], [j], [s])));

    private static string RolesOf(TokenObjectiveResult result) =>
        string.Concat(result.Tokens.Select(t => t.Role switch { TokenRole.Salient => 'S', TokenRole.ClusterNeighbour => 'n', _ => 'o' }));

    private static NaturalLanguageObjective Objective(Func<NaturalLanguageObjectiveOptions, NaturalLanguageObjectiveOptions> change) =>
        new(change(new()));

    private static void AssertClose(double[] expected, double[] found, double tolerance = 1e-12)
    {
        Assert.HasCount(expected.Length, found);
        for (var t = 0; t < expected.Length; t++)
            Assert.AreEqual(expected[t], found[t], tolerance * Math.Max(1, Math.Abs(expected[t])), $"value {t}");
    }
}
