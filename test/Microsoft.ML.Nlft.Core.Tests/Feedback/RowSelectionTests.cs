using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Feedback;

[TestClass]
public sealed class RowSelectionTests
{
    [TestMethod]
    [DataRow("1:3", 40, 10, 30)]
    [DataRow("1:2", 10, 3, 7)]
    [DataRow("1:1", 5, 3, 2)]
    [DataRow("2:1", 30, 20, 10)]
    [DataRow("3:1", 4, 3, 1)]
    [DataRow("correct", 25, 25, 0)]
    [DataRow("incorrect", 25, 0, 25)]
    public void A_ratio_gives_so_many_of_each(string ratio, int count, int correct, int incorrect)
    {
        var chosen = RowSelection.WithRatio(Rows(30, 30), count, ResponseRatio.Parse(ratio));
        Assert.AreEqual((correct, incorrect), (chosen.Count(IsCorrect), chosen.Count(row => !IsCorrect(row))));
    }

    [TestMethod]
    public void A_ratio_that_cannot_be_met_says_how_many_rows_of_each_kind_there_are() =>
        Assert.AreEqual("rows to select from: found 12 rows, 10 correct and 2 incorrect; expected 3 correct and 9 incorrect, for 12 at 1:3. "
            + "Ask for 3 or fewer, for another ratio, or generate more responses.",
            Assert.ThrowsExactly<NlftException>(() => RowSelection.WithRatio(Rows(10, 2), 12, new(1, 3))).Message);

    [TestMethod]
    public void Too_few_rows_are_refused() =>
        Assert.AreEqual("rows to select from: found 3 rows, 2 correct and 1 incorrect; expected at least 4. Ask for 3 or fewer.",
            Assert.ThrowsExactly<NlftException>(() => RowSelection.First(Rows(2, 1), 4)).Message);

    [TestMethod]
    public void A_seed_gives_the_same_rows_on_every_machine() =>
        Assert.AreEqual("5 9 6 3 2", string.Join(' ', RowSelection.First(Rows(5, 5), 5, seed: 1).Select(row => row.Question)));

    [TestMethod]
    [DataRow("")]
    [DataRow("1")]
    [DataRow("0:0")]
    [DataRow("-1:2")]
    [DataRow("1:2:3")]
    public void A_text_that_is_no_ratio_is_refused(string text) =>
        Assert.Contains($"found \"{text}\"; expected two whole numbers as 3:1", Assert.ThrowsExactly<NlftException>(() => ResponseRatio.Parse(text)).Message);

    internal static bool IsCorrect(TrainingExample row) => row.Polarity == Polarity.Correct;

    /// <summary>Rows numbered in their question, the correct ones first.</summary>
    internal static TrainingExample[] Rows(int correct, int incorrect) =>
        [.. Enumerable.Range(0, correct + incorrect).Select(i => new TrainingExample { Question = $"{i}", Response = "r", Judgment = i < correct ? null : "wrong", Answer = "a" })];
}
