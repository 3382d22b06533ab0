using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>A step of a problem's solution.</summary>
/// <param name="Sentence">
/// The sentence, with <c>{0}</c> where the calculation stands. It is the same whether the calculation is right or wrong.
/// </param>
/// <param name="Right">The right calculation.</param>
/// <param name="Misconception">The calculation of one who holds the family's misconception, or null where there is none.</param>
public sealed record SolutionStep(string Sentence, Calculation Right, Calculation? Misconception = null);

/// <summary>An arithmetic word problem with the steps that solve it.</summary>
/// <param name="Family">Name of the family it belongs to.</param>
/// <param name="Question">The question.</param>
/// <param name="Steps">One to four steps; the last one's result is the answer.</param>
public sealed record WordProblem(string Family, string Question, IReadOnlyList<SolutionStep> Steps)
{
    /// <summary>The right solution.</summary>
    public Solution Solve() =>
        Work(new Dictionary<int, Calculation>()) ?? throw new InvalidOperationException($"\"{Question}\" has no solution in whole numbers.");

    /// <summary>The right answer.</summary>
    public int Answer => Solve().Answer;

    /// <summary>Indices of the steps that the family's misconception spoils; none in a family without one.</summary>
    public IReadOnlyList<int> PlantedSteps => [.. Enumerable.Range(0, Steps.Count).Where(i => Steps[i].Misconception is not null)];

    /// <summary>Every solution that holds the misconception in one planted step or more.</summary>
    public IReadOnlyList<Solution> Misunderstandings()
    {
        var planted = PlantedSteps;
        var subsets = Enumerable.Range(1, (1 << planted.Count) - 1);
        return [.. subsets.Select(subset => Misunderstand([.. planted.Where((_, i) => (subset >> i & 1) == 1)]))];
    }

    /// <summary>The solution that holds the misconception at some <see cref="PlantedSteps"/> and goes on from there as the right one does.</summary>
    public Solution Misunderstand(IReadOnlyCollection<int> steps) => Work(steps.ToDictionary(i => i, Misconception))
        ?? throw new InvalidOperationException($"\"{Question}\" has no misunderstood solution in whole numbers.");

    /// <summary>Every solution that takes another operation in exactly one step, with easy numbers, and comes to another answer.</summary>
    public IReadOnlyList<Solution> SingleMistakes()
    {
        var answer = Answer;
        var found = new List<Solution>();
        for (var i = 0; i < Steps.Count; i++)
        {
            foreach (var operation in (Operation[])[Operation.Add, Operation.Subtract, Operation.Multiply])
            {
                var right = Steps[i].Right;
                if (operation == right.Operation) continue;
                var solution = Work(new Dictionary<int, Calculation> { [i] = right with { Operation = operation } });
                if (solution is not null && solution.Answer != answer && solution.Calculations.All(IsEasy)) found.Add(solution);
            }
        }

        return found;
    }

    private Calculation Misconception(int step) =>
        Steps[step].Misconception ?? throw new ArgumentException($"Step {step + 1} of \"{Question}\" has no misconception.");

    /// <summary>Works the steps with some calculations replaced; null when a result is no whole number from 0 up.</summary>
    private Solution? Work(IReadOnlyDictionary<int, Calculation> wrong)
    {
        var worked = new List<WorkedCalculation>();
        var faults = new List<Fault>();
        for (var i = 0; i < Steps.Count; i++)
        {
            var right = Steps[i].Right.Work(worked);
            var done = wrong.TryGetValue(i, out var mistake) ? mistake.Work(worked) : right;
            if (right is null || done is null) return null;
            if (mistake is not null) faults.Add(new Fault(i, done, right));
            worked.Add(done);
        }

        return new Solution(this, worked, faults);
    }

    /// <summary>Whether a small model can be expected to know the result: sums to 120 and the small multiplication table.</summary>
    private static bool IsEasy(WorkedCalculation calculation)
    {
        var (small, large) = (Math.Min(calculation.Left, calculation.Right), Math.Max(calculation.Left, calculation.Right));
        return calculation.Result <= 120 && (calculation.Operation != Operation.Multiply || (small <= 9 && large <= 12));
    }
}

/// <summary>A step that went wrong.</summary>
/// <param name="Step">Index of the step, from 0.</param>
/// <param name="Wrong">What the solution computes there.</param>
/// <param name="Right">What it should compute with the same results before it.</param>
public sealed record Fault(int Step, WorkedCalculation Wrong, WorkedCalculation Right);

/// <summary>A solution of a problem, right or wrong.</summary>
/// <param name="Problem">The problem.</param>
/// <param name="Calculations">One calculation per step.</param>
/// <param name="Faults">The steps that went wrong, in order; none in a right solution.</param>
public sealed record Solution(WordProblem Problem, IReadOnlyList<WorkedCalculation> Calculations, IReadOnlyList<Fault> Faults)
{
    /// <summary>The final answer.</summary>
    public int Answer => Calculations[^1].Result;

    /// <summary>The text in GSM8K's format: one line per step, then <c>#### n</c>.</summary>
    public string Text
    {
        get
        {
            var text = new StringBuilder();
            for (var i = 0; i < Calculations.Count; i++)
            {
                text.Append(Problem.Steps[i].Sentence.Replace("{0}", Calculations[i].ToString(), StringComparison.Ordinal)).Append('\n');
            }

            return text.Append(CultureInfo.InvariantCulture, $"#### {Answer}").ToString();
        }
    }
}
