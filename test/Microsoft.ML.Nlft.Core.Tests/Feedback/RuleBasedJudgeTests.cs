using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Feedback;

[TestClass]
public sealed class RuleBasedJudgeTests
{
    [TestMethod]
    [DataRow("16 - 7 = <<16-7=9>>9\n9 * 2 = <<9*2=18>>18\n#### 18", null)]
    [DataRow("A wrong way: <<2+2=5>>5\n#### 18.00", null)]
    [DataRow("13 * 2 = <<13*2=26>>26\nA: 26", "The final answer 26 is wrong: the right answer is 18.")]
    [DataRow("I cannot say.", "The response does not state a final answer; the right answer is 18.")]
    [DataRow("<<3+4=7>>7 and <<7*9=64>>64 and <<1+1=3>>3\n#### 64",
        "The calculation 7*9 = 64 is wrong: 7*9 is 63, not 64. The final answer 64 is wrong: the right answer is 18.")]
    [DataRow("<<7*9=64>>64\n#### unknown",
        "The calculation 7*9 = 64 is wrong: 7*9 is 63, not 64. The response does not state a final answer; the right answer is 18.")]
    [DataRow("<<10*(2/3)=8>>8\n#### 8",
        "The calculation 10*(2/3) = 8 is wrong: 10*(2/3) is 6.6667, not 8. The final answer 8 is wrong: the right answer is 18.")]
    [DataRow("<<50=50-20-60=50>>50",
        "The calculation 50 = 50-20-60 is wrong: 50 is 50, not -30. The final answer 50 is wrong: the right answer is 18.")]
    public void Judge_Response_SaysInWordsWhatIsWrong(string response, string? judgment) =>
        Assert.AreEqual(judgment, RuleBasedJudge.Judge(response, "16-7=9\n#### 18"));

    [TestMethod]
    [DataRow("20/3=6.6")]
    [DataRow("20/3=6.67")]
    [DataRow("20/3=7")]
    [DataRow("20/3=6")]
    [DataRow("0.1*3=0.30000000000000004")]
    [DataRow("50%*30=15")]
    [DataRow("12*20,000=240,000")]
    [DataRow("$5*3=$15")]
    [DataRow("5*2/5=2.0=2.0")]
    [DataRow("x+56=86")]
    [DataRow("5+2(3)=9")]
    [DataRow("83.33")]
    [DataRow("4/0=1")]
    [DataRow("")]
    public void Judge_RightOrUnreadableCalculation_IsNotBlamed(string calculation) =>
        Assert.AreEqual("The final answer 1 is wrong: the right answer is 2.", RuleBasedJudge.Judge($"<<{calculation}>>\n#### 1", "2"));

    [TestMethod]
    [DataRow("20/3=8")]
    [DataRow("20/3=6.5")]
    [DataRow("35*(1/2)=17.0")]
    [DataRow("16*7=113")]
    [DataRow("24+27+(-48)=85")]
    public void Judge_WrongCalculation_IsBlamed(string calculation) =>
        StringAssert.StartsWith(RuleBasedJudge.Judge($"<<{calculation}>>\n#### 1", "2"), "The calculation ");

    [TestMethod]
    [DataRow("1 + 2 * 3", 7.0)]
    [DataRow("(1+2)*3", 9.0)]
    [DataRow("8/2/2", 2.0)]
    [DataRow("8-2-2", 4.0)]
    [DataRow("-2*-3", 6.0)]
    [DataRow("\u22122 + 5", 3.0)]
    [DataRow("2\u00D73\u00F74", 1.5)]
    [DataRow("25%", 0.25)]
    [DataRow("(20+5)%", 0.25)]
    [DataRow(".5+1.", 1.5)]
    [DataRow("1,000.5", 1000.5)]
    [DataRow("", null)]
    [DataRow("2+", null)]
    [DataRow("(2", null)]
    [DataRow("2)", null)]
    [DataRow("2 3", null)]
    [DataRow("1.2.3", null)]
    [DataRow("2x", null)]
    [DataRow("1/0", null)]
    [DataRow("0/0", null)]
    public void Evaluate_Arithmetic_FollowsTheUsualPrecedence(string text, double? value)
    {
        var found = ArithmeticExpression.Evaluate(text);
        Assert.AreEqual(value.HasValue, found.HasValue);
        if (value is { } expected) Assert.AreEqual(expected, found!.Value, 1e-12);
    }

    [TestMethod]
    public void Evaluate_DeepNesting_IsNull()
    {
        Assert.IsNull(ArithmeticExpression.Evaluate(new string('(', 1_000_000) + "1" + new string(')', 1_000_000)));
        Assert.IsNull(ArithmeticExpression.Evaluate(new string('-', 1_000_000) + "1"));
    }

    [TestMethod]
    public async Task JudgeAsync_RowWithoutAnAnswer_NamesTheRow() =>
        Assert.AreEqual("row 1, Answer: found nothing; expected a text. Fill it in or leave the row out.", (await Assert
            .ThrowsExactlyAsync<NlftException>(() => new RuleBasedJudge().JudgeAsync(ChatJudgeTests.Row() with { Answer = null }))).Message);

    [TestMethod]
    public void Judge_GoldAnswerWithoutANumber_IsRefused() => Assert.AreEqual(
        "gold answer of rows.jsonl, line 3: found \"none\"; expected a number, alone or after ####. Correct the gold answer, or compare as text.",
        Assert.ThrowsExactly<NlftException>(() => RuleBasedJudge.Judge("5", "none", "rows.jsonl, line 3")).Message);
}
