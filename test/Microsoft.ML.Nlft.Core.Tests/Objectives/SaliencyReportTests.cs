using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

[TestClass]
public sealed class SaliencyReportTests
{
    [TestMethod]
    public void ToString_ScoredTokens_ShowsProbabilitiesRolesAndTexts()
    {
        var scores = Scores.Incorrect([0.2, 0.5], [0.6, 0.5], [0.1, 0.81]);
        var report = new SaliencyReport(scores, new NaturalLanguageObjective().Evaluate(scores), ["12", "\n"]);

        Assert.AreEqual(0.5, report.SalientShare);
        Assert.AreEqual((0.2, 0.6, 0.1), (Math.Round(report.Tokens[0].Base, 12), Math.Round(report.Tokens[0].Judge!.Value, 12),
            Math.Round(report.Tokens[0].Standard!.Value, 12)));
        Assert.AreEqual("""
                   base    judge  standard  weight  coefficient  token
            *    0.2000   0.6000    0.1000   1.635     -2.04394  12
                 0.5000   0.5000    0.8100   0.000      0.00000  \n
            loss 1.8244, salient 50.0 % of 2 tokens

            """.ReplaceLineEndings("\n"), report.ToString());
    }

    [TestMethod]
    public void ToString_UnscoredContext_IsLeftBlank()
    {
        var scores = Scores.Correct([0.5], [0.5]) with { Standard = [] };
        var report = new SaliencyReport(scores, new LikelihoodObjective().Evaluate(scores));
        Assert.AreEqual((null, null, "0"), (report.Tokens[0].Judge, report.Tokens[0].Standard, report.Tokens[0].Text));
        StringAssert.Contains(report.ToString(), "0.5000                      1.000      1.00000  0\n");
    }

    [TestMethod]
    public void Create_TextsThatDoNotMatchTheTokens_Throws()
    {
        var scores = Scores.Correct([0.5], [0.5]);
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() =>
            new SaliencyReport(scores, new NaturalLanguageObjective().Evaluate(scores), ["a", "b"])).Message,
            "The result has 1 tokens, the scores 1, the texts 2.");
    }
}
