using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class Gsm8kTests
{
    private const string Row = """
        {"question": "q", "ground_truth": "<<1+1=2>>2\nA: 2", "6b_finetuning": {"is_correct": false, "solution": "A: 3"}}
        """;

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public void ReadGsm8kSolutions_Solution_IsARowWithAScore()
    {
        var path = _folder.Write("solutions.jsonl", Row);
        Assert.AreEqual(new DataRow { Question = "q", Response = "A: 3", Answer = "<<1+1=2>>2\nA: 2", Score = 0, Source = $"{path}, line 1" },
            DataFile.ReadGsm8kSolutions(path).Single());
    }

    [TestMethod]
    [DataRow("""{"question": "q"}""",
        """, line 1, "6b_finetuning": found no such property (only "question"); expected an object. Add it, or name the property that holds it.""")]
    [DataRow("""{"question": "q", "6b_finetuning": "A: 3"}""",
        """, line 1, "6b_finetuning": found the text "A: 3"; expected an object. Write it between braces.""")]
    [DataRow("""{"question": "q", "ground_truth": "A: 2", "6b_finetuning": {"is_correct": "no", "solution": "A: 3"}}""",
        """, line 1, "6b_finetuning", "is_correct": found the text "no"; expected true or false. Write it without quotes.""")]
    [DataRow("""{"question": "q", "ground_truth": "A: 2", "6b_finetuning": {"solution": "A: 3"}}""",
        """, line 1, "6b_finetuning", "is_correct": found no such property (only "solution"); expected true or false.""")]
    [DataRow("""{"question": "q", "ground_truth": "none", "6b_finetuning": {"is_correct": true, "solution": "A: 3"}}""",
        """, line 1, "ground_truth": found an answer without a final number; expected a solution that ends in #### and a number. """)]
    public void ReadGsm8kSolutions_MalformedRow_IsNamed(string line, string message)
    {
        var path = _folder.Write("solutions.jsonl", line);
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => DataFile.ReadGsm8kSolutions(path)).Message, path + message);
    }

    [TestMethod]
    public void Read_Gsm8kAnswerWithoutANumber_IsNamed()
    {
        var path = _folder.Write("test.jsonl", """{"question": "q", "answer": "#### none"}""");
        Assert.AreEqual($"{path}, line 1, \"answer\": found an answer without a final number; expected a solution that ends in #### and a number. "
            + "Correct the answer or leave the row out.",
            Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path, RowFormat.Gsm8k)).Message);
    }
}
