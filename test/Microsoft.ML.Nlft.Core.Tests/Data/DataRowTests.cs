using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class DataRowTests
{
    private static readonly DataRow s_row = new() { Question = "q", Response = "r", Answer = "a", Source = "rows.csv, line 3" };

    [TestMethod]
    public void ToExample_CompleteRow_KeepsItsTexts()
    {
        var row = s_row with { Judgment = "j", Instruction = "i" };
        var example = new TrainingExample
        {
            Question = "q", Response = "r", Judgment = "j", Answer = "a", Instruction = "i", Source = "rows.csv, line 3",
        };
        Assert.AreEqual(example, row.ToExample());
        Assert.AreEqual(example, row.ToExample(needsAnswer: false), "an answer that is there is kept");
        Assert.AreEqual(row, DataRow.Of(example));
    }

    [TestMethod]
    [DataRow(null, "nothing")]
    [DataRow(" ", "an empty text")]
    public void ToExample_NoAnswerWhereItIsNeeded_IsRefused(string? answer, string found) =>
        Assert.AreEqual($"rows.csv, line 3, Answer: found {found}; expected a text. Fill it in or leave the row out.",
            Assert.ThrowsExactly<NlftException>(() => (s_row with { Answer = answer }).ToExample()).Message);

    [TestMethod]
    [DataRow(null)]
    [DataRow(" ")]
    public void ToExample_NoAnswerWhereNoneIsNeeded_TakesTheResponse(string? answer) =>
        Assert.AreEqual("r", (s_row with { Answer = answer }).ToExample(needsAnswer: false).Answer);

    [TestMethod]
    public void ToExample_NoResponse_IsRefused() =>
        Assert.AreEqual("rows.csv, line 3, Response: found nothing; expected a text. Fill it in or leave the row out.",
            Assert.ThrowsExactly<NlftException>(() => (s_row with { Response = null }).ToExample(needsAnswer: false)).Message);

    [TestMethod]
    public void ToExample_BlankResponse_IsLeftToTheRunThatCountsIt() => Assert.AreEqual(" ", (s_row with { Response = " " }).ToExample().Response);

    [TestMethod]
    [DataRow(null, Polarity.Correct)]
    [DataRow(" ", Polarity.Correct)]
    [DataRow("The sum is 5.", Polarity.Incorrect)]
    public void Polarity_Judgment_MakesTheResponseWrong(string? judgment, Polarity polarity) =>
        Assert.AreEqual((polarity, polarity),
            ((s_row with { Judgment = judgment }).Polarity, (s_row with { Judgment = judgment }).ToExample().Polarity));
}
