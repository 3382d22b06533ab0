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
    public void WithRatio_EnoughRows_GivesTheCountsOfTheRatio(string ratio, int count, int correct, int incorrect)
    {
        var chosen = RowSelection.WithRatio(Rows(30, 30), count, ResponseRatio.Parse(ratio));
        Assert.AreEqual((correct, incorrect), (chosen.Count(IsCorrect), chosen.Count(row => !IsCorrect(row))));
    }

    [TestMethod]
    public void WithRatio_TooFewRowsOfAKind_SaysHowManyThereAre() =>
        Assert.AreEqual("rows to select from: found 12 rows, 10 correct and 2 incorrect; expected 3 correct and 9 incorrect, for 12 at 1:3. "
            + "Ask for 3 or fewer, for another ratio, or generate more responses.",
            Assert.ThrowsExactly<NlftException>(() => RowSelection.WithRatio(Rows(10, 2), 12, new(1, 3))).Message);

    [TestMethod]
    public void First_TooFewRows_IsRefused() =>
        Assert.AreEqual("rows to select from: found 3 rows, 2 correct and 1 incorrect; expected at least 4. Ask for 3 or fewer.",
            Assert.ThrowsExactly<NlftException>(() => RowSelection.First(Rows(2, 1), 4)).Message);

    [TestMethod]
    public void First_RowWithoutAResponse_IsRefused() =>
        Assert.AreEqual("row, Response: found nothing; expected a text. Fill it in or leave the row out.",
            Assert.ThrowsExactly<NlftException>(() => RowSelection.First([.. Rows(2, 1).Select(row => row with { Response = null })], 1)).Message);

    [TestMethod]
    public void First_RowsWithIdAndScore_KeepsThem()
    {
        var row = Rows(1, 0)[0] with { Id = "7", Score = 0.5, Instruction = "Think." };
        Assert.AreEqual(row, RowSelection.First([row], 1).Single());
    }

    [TestMethod]
    public void First_Seed_GivesTheSameRowsOnEveryMachine() =>
        Assert.AreEqual("5 9 6 3 2", string.Join(' ', RowSelection.First(Rows(5, 5), 5, seed: 1).Select(row => row.Question)));

    [TestMethod]
    [DataRow("")]
    [DataRow("1")]
    [DataRow("0:0")]
    [DataRow("-1:2")]
    [DataRow("1:2:3")]
    public void Parse_TextThatIsNoRatio_IsRefused(string text) =>
        Assert.Contains($"found \"{text}\"; expected two whole numbers as 3:1",
            Assert.ThrowsExactly<NlftException>(() => ResponseRatio.Parse(text)).Message);

    internal static bool IsCorrect(DataRow row) => row.Polarity == Polarity.Correct;

    /// <summary>Rows numbered in their question, the correct ones first.</summary>
    internal static DataRow[] Rows(int correct, int incorrect) =>
        [.. Enumerable.Range(0, correct + incorrect).Select(i =>
            new DataRow { Question = $"{i}", Response = "r", Judgment = i < correct ? null : "wrong", Answer = "a" })];
}
