using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class Gsm8kReaderTests
{
    private const string Row = """{"question": "q", "ground_truth": "<<1+1=2>>2\nA: 2", "6b_finetuning": {"is_correct": false, "solution": "A: 3"}}""";

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public void Solutions_become_training_rows()
    {
        var path = _folder.Write("solutions.jsonl", Row);
        var solutions = Gsm8kReader.ReadSolutions(path);
        Assert.AreEqual(new Gsm8kSolution("q", "<<1+1=2>>2\nA: 2", "A: 3", false, $"{path}, line 1"), solutions.Single());
        Assert.AreEqual(
            new TrainingExample
            {
                Question = "q", Response = "A: 3", Judgment = "The final answer 3 is wrong: the right answer is 2.", Answer = "<<1+1=2>>2\nA: 2",
                    Instruction = "Think.", Source = $"{path}, line 1",
            },
            Gsm8kReader.ToTrainingExamples(solutions, "Think.").Single());
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
        """, line 1, "ground_truth": found an answer without a final number; expected a solution that ends in #### and a number. Correct the answer or leave the row out.""")]
    public void A_malformed_solution_is_named(string line, string message)
    {
        var path = _folder.Write("solutions.jsonl", line);
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => Gsm8kReader.ReadSolutions(path)).Message, path + message);
    }

    [TestMethod]
    public void A_question_without_a_numeric_answer_is_named()
    {
        var path = _folder.Write("test.jsonl", """{"question": "q", "answer": "#### none"}""");
        Assert.AreEqual($"{path}, line 1, \"answer\": found an answer without a final number; expected a solution that ends in #### and a number. Correct the answer or leave the row out.",
            Assert.ThrowsExactly<NlftException>(() => Gsm8kReader.ReadQuestions(path)).Message);
    }
}
