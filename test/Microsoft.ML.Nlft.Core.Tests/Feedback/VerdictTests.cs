using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Feedback;

[TestClass]
public sealed class VerdictTests
{
    [TestMethod]
    [DataRow("VERDICT: CORRECT")]
    [DataRow("  **Verdict:** correct.\n")]
    [DataRow("Let me check: 2 + 3 = 5.\r\n\r\nVERDICT: CORRECT\r\n")]
    public void Parse_CorrectVerdict_IsRead(string reply) => Assert.AreEqual(Verdict.Correct, Verdict.Parse(reply));

    [TestMethod]
    [DataRow("VERDICT: INCORRECT\nJUDGMENT: The sum is 5.", "The sum is 5.")]
    [DataRow("verdict: incorrect\n\n**Judgment:** Step 1 adds.\nIt must subtract.\n", "Step 1 adds.\nIt must subtract.")]
    [DataRow("VERDICT: INCORRECT.\nJUDGMENT:\nThe unit is wrong.", "The unit is wrong.")]
    public void Parse_IncorrectVerdict_ComesWithItsReason(string reply, string judgment) =>
        Assert.AreEqual(Verdict.Incorrect(judgment), Verdict.Parse(reply));

    [TestMethod]
    [DataRow(null)]
    [DataRow("")]
    [DataRow("The response is correct.")]
    [DataRow("I cannot say the response is correct.")]
    [DataRow("VERDICT: I cannot say the response is CORRECT")]
    [DataRow("VERDICT: NOT CORRECT")]
    [DataRow("VERDICT: CORRECT or INCORRECT")]
    [DataRow("VERDICT: CORRECT?")]
    [DataRow("VERDICT: INCORRECT")]
    [DataRow("VERDICT: INCORRECT\nJUDGMENT:  \n")]
    [DataRow("VERDICT: INCORRECT, because the sum is 5.\nJUDGMENT: The sum is 5.")]
    [DataRow("VERDICT: CORRECT\nVERDICT: INCORRECT\nJUDGMENT: no.")]
    [DataRow("The verdict is VERDICT: CORRECT")]
    [DataRow("VERD")]
    public void Parse_NoVerdict_IsUnparsable(string? reply)
    {
        var verdict = Verdict.Parse(reply);
        Assert.AreEqual((VerdictKind.Unparsable, null), (verdict.Kind, verdict.Judgment));
        Assert.EndsWith($": {reply}", verdict.Reply!);
    }
}
