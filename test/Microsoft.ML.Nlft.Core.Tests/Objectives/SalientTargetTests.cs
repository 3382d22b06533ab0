using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>NLFT whose salient tokens learn from the teacher.</summary>
[TestClass]
public sealed class SalientTargetTests
{
    private static readonly NaturalLanguageObjectiveOptions s_options = new()
    {
        ClusterRule = ClusterRule.None, SalientRatioToBase = 1, SalientRatioToStandard = 0, MaximumSalientShare = 1, Scale = 2,
    };

    [TestMethod]
    [DataRow(1)]
    [DataRow(5)]
    [DataRow(30)]
    public void Evaluate_Teacher_DrawsSalientTokensToTheStandardContext(int teacherTokens)
    {
        var published = new NaturalLanguageObjective(s_options);
        var objective = new NaturalLanguageObjective(s_options with { SalientTarget = SalientTarget.Teacher, TeacherTokens = teacherTokens });
        var salient = 0;
        for (var seed = 0; seed < 20; seed++)
        {
            var drawn = new Distributions(seed);
            var scores = drawn.Scores(objective, Polarity.Incorrect);
            var (result, old) = (objective.Evaluate(scores), published.Evaluate(scores));
            double Loss()
            {
                var sum = 0.0;
                for (var t = 0; t < drawn.Response.Length; t++)
                {
                    var (logP, logQ) = (ObjectiveGoldens.LogSoftmax(drawn.Base[t]), ObjectiveGoldens.LogSoftmax(drawn.Standard[t]));
                    sum += old.Tokens[t].Weight * (old.Tokens[t].Role == TokenRole.Salient ? Divergence(t, logP, logQ) : -logP[drawn.Response[t]]);
                }
                return 2 * sum / drawn.Response.Length;
            }
            double Divergence(int t, double[] logP, double[] logQ)
            {
                var count = scores.Candidates!.Count;
                int[] ids = [drawn.Response[t], .. scores.Candidates.Ids[(t * count)..((t + 1) * count)]];
                var (tailP, tailQ) = (1 - ids.Sum(k => Math.Exp(logP[k])), 1 - ids.Sum(k => Math.Exp(logQ[k])));
                return ids.Sum(k => Math.Exp(logQ[k]) * (logQ[k] - logP[k])) + (tailQ < 1e-6 ? 0 : tailQ * Math.Log(tailQ / tailP));
            }
            CollectionAssert.AreEqual(old.Tokens.Select(token => (token.Role, token.Weight)).ToArray(),
                result.Tokens.Select(token => (token.Role, token.Weight)).ToArray(), "NLFT decides where.");
            salient += result.Tokens.Count(token => token.Role == TokenRole.Salient);
            Assert.AreEqual(Loss(), result.Loss, 1e-10);
            drawn.CheckGradient(result, scores.Candidates!.Ids, Loss);
        }
        Assert.IsGreaterThan(20, salient);
    }

    [TestMethod]
    public void Contexts_Teacher_AreScoredOnceAndHaveNoMap()
    {
        ITokenObjective objective = new NaturalLanguageObjective(new() { SalientTarget = SalientTarget.Teacher });
        Assert.AreEqual(ContextRefresh.Once, objective.Refresh);
        Assert.AreEqual(default, objective.Candidates(Polarity.Correct));
        Assert.AreEqual(new CandidateSource(PromptContexts.Standard, 20), objective.Candidates(Polarity.Incorrect));
        Assert.IsNull(objective.Thresholds);
        ITokenObjective published = new NaturalLanguageObjective();
        Assert.AreEqual(ContextRefresh.EveryStep, published.Refresh);
        Assert.AreEqual(default, published.Candidates(Polarity.Incorrect));
    }

    [TestMethod]
    public void Create_BadTarget_IsRefused() => StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() =>
        new NaturalLanguageObjective(new() { SalientTarget = (SalientTarget)3 })).Message,
        "option SalientTarget: found 3; expected Unlikelihood or Teacher.");
}
