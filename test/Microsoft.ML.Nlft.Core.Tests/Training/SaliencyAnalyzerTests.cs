using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Tests.Training;

[TestClass]
public class SaliencyAnalyzerTests
{
    [TestMethod]
    public void Analyze_EveryRow_ShowsItsTokensAsTheObjectiveSeesThem()
    {
        var model = new TableLanguageModel(Rows.Vocabulary) { Trainable = TrainableWeights.None };
        var objective = new ScriptedObjective
        {
            Scored = PromptContexts.Base | PromptContexts.Judge | PromptContexts.Standard,
            HiddenStates = true,
            Script = scores => ScriptedObjective.Weighted(scores, t => t + 1),
        };
        var rows = Rows.Seven();
        var seen = new SaliencyAnalyzer(model, objective, batchSize: 3).Analyze(rows);

        Assert.HasCount(7, seen);
        Assert.HasCount(3, model.ScoreCalls); // 3 + 3 + 1 rows, all contexts of each together
        Assert.IsEmpty(model.ForwardCalls);
        for (var i = 0; i < 7; i++)
        {
            var (row, shown) = (rows[i], seen[i]);
            Assert.AreEqual(row.Source, shown.Source);
            Assert.AreEqual(row.Polarity, shown.Polarity);
            CollectionAssert.AreEqual(row.Response.ToArray(), shown.Tokens);
            CheckFirst(shown.Base, 0, PromptContexts.Base);
            CheckFirst(shown.Standard, 2, PromptContexts.Standard);
            if (row.Polarity == Polarity.Incorrect) CheckFirst(shown.Judge, 1, PromptContexts.Judge);
            else Assert.IsEmpty(shown.Judge);
            Assert.AreEqual(new TokenSaliency(TokenRole.Salient, 1, 1.0 / row.Response.Length), shown.Saliency[0]);
            Assert.AreEqual(ScriptedObjective.Weighted(objective.Seen[i], t => t + 1).Loss, shown.Loss);
            Assert.AreEqual(row.Polarity == Polarity.Incorrect ? 2 * row.Response.Length : 0, objective.Seen[i].HiddenStates.Length);

            var report = shown.Report();
            Assert.AreEqual(shown.Loss, report.Loss);
            Assert.AreEqual(Math.Exp(shown.Base[^1]), report.Tokens[^1].Base);
            Assert.AreEqual(shown.Saliency[^1], report.Tokens[^1].Saliency);

            void CheckFirst(double[] log, int context, PromptContexts name) =>
                Assert.AreEqual(model.LogProbabilities(context, row.Prompt(name).Span[^1])[row.Response.Span[0]], log[0], 1e-6);
        }
    }

    [TestMethod]
    public void Constructor_BatchSizeBelowOne_IsRefused() =>
        Assert.AreEqual("option batchSize: found 0; expected 1 or more. Set the rows to score together.",
            Assert.ThrowsExactly<NlftException>(() => new SaliencyAnalyzer(new TableLanguageModel(Rows.Vocabulary), new ScriptedObjective(),
                0)).Message);

    [TestMethod]
    public void Analyze_ScoreNaN_NamesTheRow()
    {
        var model = new TableLanguageModel(Rows.Vocabulary) { PoisonedContext = 0 };
        Assert.AreEqual("rows.jsonl, line 1, base context: found log-probability NaN at response token 1; expected numbers. Check the model "
            + "folder's weights, or leave out the row.",
            Assert.ThrowsExactly<NlftException>(() => new SaliencyAnalyzer(model, new ScriptedObjective()).Analyze(Rows.Seven())).Message);
    }
}
