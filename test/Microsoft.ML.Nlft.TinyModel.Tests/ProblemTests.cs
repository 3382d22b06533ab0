using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

[TestClass]
public sealed partial class ProblemTests
{
    private const int Draws = 500;

    public static IEnumerable<object[]> Families => MasteredFamilies.All.Concat(MisconceptionFamilies.All).Select(f => new object[] { f });

    public static IEnumerable<object[]> Misconceptions => MisconceptionFamilies.All.Select(f => new object[] { f });

    [TestMethod]
    [DynamicData(nameof(Families))]
    public void Next_SameSeed_DrawsTheSameProblems(ProblemFamily family)
    {
        var (first, second, other) = (Draw(family, 7), Draw(family, 7), Draw(family, 8));
        CollectionAssert.AreEqual(first.Select(Transcript).ToArray(), second.Select(Transcript).ToArray());
        CollectionAssert.AreNotEqual(first.Select(Transcript).ToArray(), other.Select(Transcript).ToArray());
    }

    [TestMethod]
    [DynamicData(nameof(Families))]
    public void Solve_EveryCalculation_IsCorrect(ProblemFamily family)
    {
        foreach (var problem in Draw(family, 1))
        {
            var text = problem.Solve().Text;
            var annotations = Annotation().Matches(text);
            Assert.HasCount(problem.Steps.Count, annotations, text);
            foreach (Match match in annotations)
            {
                var (left, right, result) = (Integer(match, 2), Integer(match, 4), Integer(match, 5));
                var computed = match.Groups[3].Value switch { "+" => left + right, "-" => left - right, "*" => left * right, _ => left / right };
                Assert.AreEqual(computed, result, text);
                Assert.AreEqual(result, Integer(match, 6), text);
            }

            Assert.EndsWith(string.Create(CultureInfo.InvariantCulture, $"\n#### {Integer(annotations[^1], 5)}"), text);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Families))]
    public void Next_Numbers_AreDistinctAndResultsSmall(ProblemFamily family)
    {
        foreach (var problem in Draw(family, 2))
        {
            var numbers = Number().Matches(problem.Question).Select(m => m.Value).ToArray();
            CollectionAssert.AllItemsAreUnique(numbers, problem.Question);
            Assert.IsTrue(problem.Solve().Calculations.All(c => c.Result is > 0 and <= 120), problem.Solve().Text);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Misconceptions))]
    public void Misunderstandings_EachSolution_DeviatesOnlyAtPlantedSteps(ProblemFamily family)
    {
        foreach (var problem in Draw(family, 3))
        {
            var right = problem.Solve();
            Assert.IsNotEmpty(problem.Misunderstandings());
            foreach (var wrong in problem.Misunderstandings())
            {
                Assert.AreNotEqual(right.Answer, wrong.Answer, wrong.Text);
                var faults = wrong.Faults.Select(f => f.Step).ToArray();
                CollectionAssert.IsSubsetOf(faults, problem.PlantedSteps.ToArray());
                for (var i = 0; i < problem.Steps.Count; i++)
                {
                    var expected = (faults.Contains(i) ? problem.Steps[i].Misconception! : problem.Steps[i].Right).Work(wrong.Calculations);
                    Assert.AreEqual(expected, wrong.Calculations[i], wrong.Text);
                }
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Families))]
    public void SingleMistakes_EachProblem_ChangeExactlyOneOperation(ProblemFamily family)
    {
        foreach (var problem in Draw(family, 4))
        {
            Assert.IsNotEmpty(problem.SingleMistakes(), problem.Question);
            foreach (var wrong in problem.SingleMistakes())
            {
                var fault = wrong.Faults.Single();
                Assert.AreNotEqual(fault.Right.Operation, fault.Wrong.Operation);
                Assert.AreEqual((fault.Right.Left, fault.Right.Right), (fault.Wrong.Left, fault.Wrong.Right));
                Assert.AreNotEqual(problem.Answer, wrong.Answer);
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Families))]
    public void Write_WrongSolution_NamesEveryWrongStepDeterministically(ProblemFamily family)
    {
        foreach (var problem in Draw(family, 5))
        {
            foreach (var wrong in problem.Misunderstandings().Concat(problem.SingleMistakes()))
            {
                var judgment = JudgmentWriter.Write(wrong, new Random(6));
                Assert.AreEqual(judgment, JudgmentWriter.Write(wrong, new Random(6)));
                var named = StepName().Matches(judgment).Select(m => Integer(m, 1) - 1).ToArray();
                CollectionAssert.AreEqual(wrong.Faults.Select(f => f.Step).ToArray(), named, judgment);
            }
        }
    }

    [TestMethod]
    public void Write_CorrectSolution_Throws() =>
        Assert.ThrowsExactly<ArgumentException>(() => JudgmentWriter.Write(Draw(MasteredFamilies.All[0], 1)[0].Solve(), new Random(1)));

    [TestMethod]
    public void Text_SmallProblem_ReadsAsExpected()
    {
        var problem = new WordProblem("twice", "?",
        [
            new("Twice as many is {0}.", new Calculation(2, Operation.Multiply, 12)),
            new("Ben has {0} pens.", new(Operand.ResultOf(0), Operation.Subtract, 5), new Calculation(Operand.ResultOf(0), Operation.Add, 5)),
        ]);
        Assert.AreEqual("Twice as many is 2*12=<<2*12=24>>24.\nBen has 24-5=<<24-5=19>>19 pens.\n#### 19", problem.Solve().Text);
        Assert.AreEqual("Twice as many is 2*12=<<2*12=24>>24.\nBen has 24+5=<<24+5=29>>29 pens.\n#### 29", problem.Misunderstand([1]).Text);
        var judgments = Enumerable.Range(0, 50)
            .Select(seed => JudgmentWriter.Write(problem.Misunderstand([1]), new Random(seed))).Distinct().ToArray();
        CollectionAssert.Contains(judgments, "Step 2 adds 5; it must subtract 5.");
        CollectionAssert.Contains(judgments, "Step 2 has 24+5 where 24-5 is right.");
        Assert.HasCount(5, judgments);
    }

    [TestMethod]
    [DataRow(Operation.Add, 27, 15, 42)]
    [DataRow(Operation.Subtract, 27, 15, 12)]
    [DataRow(Operation.Subtract, 15, 27, null)]
    [DataRow(Operation.Multiply, 7, 6, 42)]
    [DataRow(Operation.Divide, 42, 6, 7)]
    [DataRow(Operation.Divide, 43, 6, null)]
    [DataRow(Operation.AddWithoutCarry, 27, 15, 32)]
    [DataRow(Operation.AddWithoutCarry, 99, 1, 90)]
    public void Apply_Operands_GivesAWholeResultOrNull(Operation operation, int left, int right, int? expected) =>
        Assert.AreEqual(expected, operation.Apply(left, right));

    [TestMethod]
    public void Distinct_SeenQuestions_AreNotDrawnAgain()
    {
        var seen = new ProblemGenerator(1).Distinct(300, MisconceptionFamilies.All).Select(p => p.Question).ToArray();
        var fresh = new ProblemGenerator(1, seen).Distinct(300, MisconceptionFamilies.All).Select(p => p.Question).ToArray();
        CollectionAssert.AllItemsAreUnique(seen.Concat(fresh).ToArray());
    }

    [TestMethod]
    public void Distinct_ExhaustedFamily_Throws()
    {
        var few = new ProblemFamily("few", "", false, _ => ("1+2?", [new("{0}", new Calculation(1, Operation.Add, 2))]));
        var generator = new ProblemGenerator(1);
        Assert.HasCount(1, generator.Distinct(1, few));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => generator.Distinct(1, few)).Message, "family few");
    }

    private static WordProblem[] Draw(ProblemFamily family, int seed)
    {
        var generator = new ProblemGenerator(seed);
        return [.. Enumerable.Range(0, Draws).Select(_ => generator.Next(family))];
    }

    private static string Transcript(WordProblem problem) => problem.Question + "\n" + problem.Solve().Text;

    private static int Integer(Match match, int group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"([0-9+*/-]+)=<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")]
    private static partial Regex Annotation();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Number();

    [GeneratedRegex(@"[Ss]tep (\d)")]
    private static partial Regex StepName();
}
