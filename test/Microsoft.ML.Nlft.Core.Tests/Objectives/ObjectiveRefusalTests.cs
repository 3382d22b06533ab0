using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Tests the messages of refused options and scores.</summary>
[TestClass]
public sealed class ObjectiveRefusalTests
{
    public static IEnumerable<object[]> BadOptions()
    {
        NaturalLanguageObjectiveOptions o = new();
        yield return [o with { Scale = 0 }, "option Scale: found 0; expected a finite number above 0."];
        yield return [o with { Scale = double.PositiveInfinity }, "option Scale: found Infinity; expected a finite number above 0."];
        yield return [o with { SalientRatioToBase = 0.99 }, "option SalientRatioToBase: found 0.99; expected a finite number 1 or more."];
        yield return [o with { SalientRatioToStandard = -1 }, "option SalientRatioToStandard: found -1; expected a finite number 0 or more."];
        yield return [o with { MinimumJudgeProbability = 1 }, "option MinimumJudgeProbability: found 1; expected a finite number in [0, 1)."];
        yield return [o with { SalientWeightCenter = double.NaN }, "option SalientWeightCenter: found NaN; expected a finite number."];
        yield return [o with { MaximumSalientShare = 1.5 }, "option MaximumSalientShare: found 1.5; expected a finite number in [0, 1]."];
        yield return [o with { IncorrectOrdinaryExponent = 0 }, "option IncorrectOrdinaryExponent: found 0; expected a finite number above 0."];
        yield return [o with { SalientLevel = 1 }, "option SalientLevel: found 1; expected a finite number in (0, 1)."];
        yield return [o with { CorrectSalientExponent = -5 }, "option CorrectSalientExponent: found -5; expected a finite number above 0."];
        yield return [o with { CorrectNeighbourExponent = 0 }, "option CorrectNeighbourExponent: found 0; expected a finite number above 0."];
        yield return [o with { CorrectOrdinaryExponent = double.NaN },
            "option CorrectOrdinaryExponent: found NaN; expected a finite number above 0."];
        yield return [o with { ClusterThreshold = 2.1 }, "option ClusterThreshold: found 2.1; expected a finite number in [0, 2]."];
        yield return [o with { ZeroGuard = 0 }, "option ZeroGuard: found 0; expected a finite number in (0, 1)."];
        yield return [o with { ClusterRule = (ClusterRule)7 }, "option ClusterRule: found 7; expected Dissimilar, Similar or None."];
    }

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void Create_OptionOutOfRange_NamesTheOptionAndItsValue(object options, string message) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() =>
            new NaturalLanguageObjective((NaturalLanguageObjectiveOptions)options)).Message, message);

    [TestMethod]
    public void CreateLikelihood_ZeroGuardOutOfRange_IsRefused() => Assert.AreEqual(
        "option zeroGuard: found 1; expected a number in (0, 1). Set it within the range; the default is 1E-05.",
        Assert.ThrowsExactly<NlftException>(() => new LikelihoodObjective(1)).Message);

    public static IEnumerable<object[]> BadScores()
    {
        var good = Scores.Incorrect([0.5, 0.5], [0.5, 0.5], [0.5, 0.5]);
        yield return [good with { Base = [] },
            "scores of the Base context: found no response token; expected at least one. Leave rows with an empty response out."];
        yield return [good with { Standard = [-1] },
            "scores of the Standard context: found 1 log-probabilities; expected 2, as many as the Base context has. "
                + "Score the same response tokens in the Standard context."];
        yield return [good with { Judge = [] },
            "scores of the Judge context: found 0 log-probabilities; expected 2, as many as the Base context has. "
                + "Score the same response tokens in the Judge context."];
        yield return [good with { Base = [-1, double.NaN] },
            "scores of the Base context, response token 1: found NaN; expected a natural log-probability, 0 or less. "
                + "Check the model's weights and the learning rate: the network has diverged."];
        yield return [good with { Judge = [0.5, -1] },
            "scores of the Judge context, response token 0: found log-probability 0.5; expected a natural log-probability, 0 or less. "
                + "Pass logarithms of probabilities, not probabilities."];
        yield return [good with { HiddenStates = default },
            "hidden states of the Base context: found 0 values; expected a positive multiple of n = 2. "
                + "Ask the engine for hidden states when NeedsHiddenStates says so."];
        yield return [good with { HiddenStates = (float[])[1, 2, 3] },
            "hidden states of the Base context: found 3 values; expected a positive multiple of n = 2. "
                + "Ask the engine for hidden states when NeedsHiddenStates says so."];
    }

    [TestMethod]
    [DynamicData(nameof(BadScores))]
    public void Evaluate_UnusableScores_AreRefused(object scores, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => new NaturalLanguageObjective().Evaluate((ExampleScores)scores)).Message);

    [TestMethod]
    public void Evaluate_LogProbabilitySlightlyAboveZero_CountsAsZero()
    {
        var result = new NaturalLanguageObjective().Evaluate(Scores.Correct([1], [1]) with { Base = [1e-6], Standard = [1e-6] });
        Assert.AreEqual((0.0, 2.0), (Math.Abs(result.Loss), result.Tokens[0].Weight));
    }
}
