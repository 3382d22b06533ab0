using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

[TestClass]
public sealed class SolutionReaderTests
{
    [TestMethod]
    public void Read_EverySolution_RecoversItsFaults()
    {
        foreach (var family in MasteredFamilies.All.Concat(MisconceptionFamilies.All))
        {
            foreach (var problem in new ProblemGenerator(3).Distinct(100, family))
            {
                foreach (var solution in problem.Misunderstandings().Concat(problem.SingleMistakes()).Append(problem.Solve()))
                {
                    var read = SolutionReader.Read(problem, solution.Text);
                    Assert.IsNotNull(read, solution.Text);
                    CollectionAssert.AreEqual(solution.Calculations.ToArray(), read.Calculations.ToArray());
                    CollectionAssert.AreEqual(solution.Faults.ToArray(), read.Faults.ToArray());
                }
            }
        }
    }

    [TestMethod]
    public void Read_WrongResult_IsAFaultThatTheJudgmentNames()
    {
        var solution = SolutionReader.Read(Problem, "First 27+15=<<27+15=32>>32.\nThen 32-4=<<32-4=28>>28.\n#### 28");
        Assert.IsNotNull(solution);
        var fault = solution.Faults.Single();
        Assert.AreEqual(new Fault(0, new(27, Operation.AddWithoutCarry, 15, 32), new(27, Operation.Add, 15, 42)), fault);
        StringAssert.Contains(JudgmentWriter.Write(solution, new Random(1)), "tep 1");
    }

    [TestMethod]
    [DataRow("First 27+15=<<27+15=42>>42.\n#### 42", DisplayName = "a step is missing")]
    [DataRow("First 27+15=<<27+15=42>>42.\nThen 42-4=<<42-4=38>>38.\n#### 39", DisplayName = "the final answer differs")]
    [DataRow("First 27+15=<<27+15=42>>42.\nThen 42-4=<<42-4=38>>38.", DisplayName = "there is no final answer")]
    [DataRow("First 99999999999+15=<<99999999999+15=42>>42.\nThen 42-4=<<42-4=38>>38.\n#### 38", DisplayName = "a number is too large")]
    [DataRow("", DisplayName = "an empty response")]
    public void Read_ResponseInAnotherFormat_ReturnsNull(string response) => Assert.IsNull(SolutionReader.Read(Problem, response));

    private static WordProblem Problem { get; } = new("bus", "?",
    [
        new("First {0}.", new Calculation(27, Operation.Add, 15)),
        new("Then {0}.", new Calculation(Operand.ResultOf(0), Operation.Subtract, 4)),
    ]);
}
