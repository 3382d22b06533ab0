using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.TinyModel.Pretraining;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

[TestClass]
public sealed class TrainingMixTests
{
    private static readonly MixedRow[] s_rows = Draw(seed: 1, count: 20_000);

    [TestMethod]
    public void Next_SameSeed_DrawsTheSameRows() => CollectionAssert.AreEqual(s_rows[..500], Draw(seed: 1, count: 500));

    [TestMethod]
    public void Next_ManyRows_EachContextHasItsShare()
    {
        var shares = new MixShares();
        Assert.AreEqual(shares.Judge, Share(row => row.Context == PromptContexts.Judge), 0.02);
        Assert.AreEqual(shares.Standard, Share(row => row.Context == PromptContexts.Standard), 0.02);
        Assert.AreEqual(shares.MisconceptionFamilies, Share(IsOfMisconceptionFamily), 0.02);
    }

    [TestMethod]
    public void Next_JudgeContext_AloneHasJudgmentsAndWrongResponses()
    {
        foreach (var row in s_rows)
        {
            Assert.AreEqual(row.Context == PromptContexts.Judge ? Polarity.Incorrect : Polarity.Correct, row.Example.Polarity);
            if (row.Context == PromptContexts.Judge) Assert.IsFalse(IsRight(row), row.Example.Response);
        }
    }

    [TestMethod]
    public void Next_StandardContext_IsSolvedCorrectly() =>
        Assert.IsTrue(s_rows.Where(row => row.Context == PromptContexts.Standard).All(IsRight));

    [TestMethod]
    public void Next_BaseContextOfMasteredFamily_IsSolvedCorrectly() =>
        Assert.IsTrue(s_rows.Where(row => row.Context == PromptContexts.Base && !IsOfMisconceptionFamily(row)).All(IsRight));

    [TestMethod]
    public void Next_BaseContextOfMisconceptionFamily_IsMostlyWrong()
    {
        foreach (var family in MisconceptionFamilies.All)
        {
            var rows = s_rows.Where(row => row.Context == PromptContexts.Base && Family(row) == family.Name).ToArray();
            var wrong = rows.Count(row => !IsRight(row)) / (double)rows.Length;
            Assert.IsGreaterThan(0.5, wrong, $"{family}: {wrong.ToString(CultureInfo.InvariantCulture)}");
        }
    }

    private static MixedRow[] Draw(int seed, int count)
    {
        var mix = new TrainingMix(seed, new MixShares());
        return [.. Enumerable.Range(0, count).Select(_ => mix.Next())];
    }

    private static double Share(Func<MixedRow, bool> condition) => s_rows.Count(condition) / (double)s_rows.Length;

    private static bool IsRight(MixedRow row) =>
        ExactMatchEvaluator.Compare(row.Example.Response, row.Example.Answer).Outcome == AnswerOutcome.Correct;

    private static string Family(MixedRow row) => row.Example.Source.Split(' ')[^1];

    private static bool IsOfMisconceptionFamily(MixedRow row) => MisconceptionFamilies.All.Any(family => family.Name == Family(row));
}
