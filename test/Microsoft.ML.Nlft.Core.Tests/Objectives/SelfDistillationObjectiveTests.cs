using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

[TestClass]
public sealed class SelfDistillationObjectiveTests
{
    [TestMethod]
    [DataRow(0.0, true, 1)]
    [DataRow(0.0, true, 4)]
    [DataRow(0.0, false, 4)]
    [DataRow(0.3, true, 4)]
    [DataRow(0.3, false, 7)]
    [DataRow(0.5, true, 9)]
    [DataRow(1.0, true, 1)]
    [DataRow(1.0, true, 6)]
    [DataRow(1.0, false, 3)]
    [DataRow(1.0, false, 20)]
    public void Evaluate_AnyDivergence_CoefficientsAreTheDerivativeOfTheLoss(double alpha, bool tail, int topTokens)
    {
        var objective = new SelfDistillationObjective(new() { Alpha = alpha, Tail = tail, TopTokens = topTokens });
        foreach (var polarity in Enum.GetValues<Polarity>())
        {
            for (var seed = 0; seed < 5; seed++)
            {
                var drawn = new Distributions(seed);
                var scores = drawn.Scores(objective, polarity);
                drawn.CheckGradient(objective.Evaluate(scores), scores.Candidates!.Ids,
                    () => objective.Evaluate(drawn.Scores(objective, polarity)).Loss);
            }
        }
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.4)]
    [DataRow(1.0)]
    public void Evaluate_StudentLikeTheTeacher_IsZeroWithoutGradient(double alpha)
    {
        var objective = new SelfDistillationObjective(new() { Alpha = alpha });
        var scores = new Distributions(3).Scores(objective, Polarity.Correct);
        var same = scores with { Base = scores.Standard, Candidates = scores.Candidates! with { Base = scores.Candidates.Source } };
        var result = objective.Evaluate(same);
        Assert.AreEqual(0, result.Loss, 1e-15);
        foreach (var k in Enumerable.Range(0, 5))
        {
            // Equal coefficients in proportion to p give no gradient: c_k = s p_k.
            var scale = result.Coefficients[k] / Math.Exp(same.Base[k]);
            for (var i = 0; i < same.Candidates.Count; i++)
            {
                Assert.AreEqual(scale * Math.Exp(same.Candidates.Base[k * same.Candidates.Count + i]),
                    result.CandidateCoefficients[k * same.Candidates.Count + i], 1e-12);
            }
        }
    }

    [TestMethod]
    public void Evaluate_WrongResponse_TeachesUpToTheFirstTokenThatTheTeacherDoubts()
    {
        var objective = new SelfDistillationObjective(new() { StopBelow = 0.1, TopTokens = 3 });
        var scores = new Distributions(1).Scores(objective, Polarity.Incorrect) with { Standard = Scores.Logs(0.5, 0.3, 0.09, 0.9, 0.9) };
        var result = objective.Evaluate(scores);
        CollectionAssert.AreEqual(new double[] { 1, 1, 1, 0, 0 }, result.Tokens.Select(token => token.Weight).ToArray());
        Assert.IsTrue(result.Coefficients[..3].All(c => c != 0));
        Assert.IsTrue(result.Coefficients[3..].Concat(result.CandidateCoefficients[9..]).All(c => c == 0));
        var right = objective.Evaluate(scores with { Polarity = Polarity.Correct });
        Assert.IsTrue(right.Coefficients.All(c => c != 0), "A right response teaches to its end.");
        Assert.AreEqual(right.Coefficients[1], result.Coefficients[1]);
    }

    [TestMethod]
    public void Contexts_TeacherOption_IsThatOfWrongResponses()
    {
        var judge = new SelfDistillationObjective(new() { Teacher = PromptContexts.Judge });
        Assert.AreEqual(PromptContexts.Base | PromptContexts.Judge, judge.ScoredContexts(Polarity.Incorrect));
        Assert.AreEqual(PromptContexts.Base | PromptContexts.Standard, judge.ScoredContexts(Polarity.Correct));
        Assert.AreEqual(new CandidateSource(PromptContexts.Judge, 20), judge.Candidates(Polarity.Incorrect));
        Assert.AreEqual(ContextRefresh.Once, judge.Refresh);
    }

    public static IEnumerable<object[]> BadOptions =>
    [
        [new SelfDistillationOptions { Alpha = 1.1 }, "option Alpha: found 1.1; expected a finite number in [0, 1]."],
        [new SelfDistillationOptions { TopTokens = 0 }, "option TopTokens: found 0; expected a finite number 1 or more."],
        [new SelfDistillationOptions { StopBelow = 1 }, "option StopBelow: found 1; expected a finite number in [0, 1)."],
        [new SelfDistillationOptions { Teacher = PromptContexts.Base }, "option Teacher: found Base; expected Standard or Judge."],
    ];

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void Create_OptionOutOfRange_NamesIt(object options, string message) => StringAssert.StartsWith(
        Assert.ThrowsExactly<NlftException>(() => new SelfDistillationObjective((SelfDistillationOptions)options)).Message, message);

    [TestMethod]
    public void Evaluate_NoCandidates_IsRefused() => StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() =>
        new SelfDistillationObjective().Evaluate(Scores.Correct([0.5], [0.5]))).Message, "candidates of the response: found none;");
}
