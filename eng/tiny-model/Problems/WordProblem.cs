using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>A step of a problem's solution.</summary>
/// <param name="Sentence">
/// The sentence, with <c>{0}</c> in place of the calculation. It is the same for right and wrong calculations.
/// </param>
/// <param name="Right">The right calculation.</param>
/// <param name="Misconception">The calculation under the family's misconception, or null if the step has none.</param>
public sealed record SolutionStep(string Sentence, Calculation Right, Calculation? Misconception = null);

/// <summary>An arithmetic word problem with the steps that solve it.</summary>
/// <param name="Family">Name of the family it belongs to.</param>
/// <param name="Question">The question.</param>
/// <param name="Steps">One to four steps; the result of the last is the answer.</param>
public sealed record WordProblem(string Family, string Question, IReadOnlyList<SolutionStep> Steps)
{
    /// <summary>Returns the right solution.</summary>
    public Solution Solve() =>
        Work(new Dictionary<int, Calculation>()) ?? throw new InvalidOperationException($"\"{Question}\" has no solution in whole numbers.");

    /// <summary>Gets the right answer.</summary>
    public int Answer => Solve().Answer;

    /// <summary>Gets the indices of the steps with the family's misconception; empty in a family without one.</summary>
    public IReadOnlyList<int> PlantedSteps => [.. Enumerable.Range(0, Steps.Count).Where(i => Steps[i].Misconception is not null)];

    /// <summary>Returns every solution with the misconception in one or more planted steps.</summary>
    public IReadOnlyList<Solution> Misunderstandings()
    {
        var planted = PlantedSteps;
        var subsets = Enumerable.Range(1, (1 << planted.Count) - 1);
        return [.. subsets.Select(subset => Misunderstand([.. planted.Where((_, i) => (subset >> i & 1) == 1)]))];
    }

    /// <summary>Returns the solution with the misconception at some <see cref="PlantedSteps"/> and right steps otherwise.</summary>
    public Solution Misunderstand(IReadOnlyCollection<int> steps) => Work(steps.ToDictionary(i => i, Misconception))
        ?? throw new InvalidOperationException($"\"{Question}\" has no misunderstood solution in whole numbers.");

    /// <summary>Returns every solution with another operation in exactly one step, easy numbers and another answer.</summary>
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

    /// <summary>Computes the steps with some calculations replaced; returns null if a result is not a whole number of at least 0.</summary>
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

    /// <summary>Tells whether a small model can be expected to know the result: up to 120, products within the small multiplication table.</summary>
    private static bool IsEasy(WorkedCalculation calculation)
    {
        var (small, large) = (Math.Min(calculation.Left, calculation.Right), Math.Max(calculation.Left, calculation.Right));
        return calculation.Result <= 120 && (calculation.Operation != Operation.Multiply || (small <= 9 && large <= 12));
    }
}

/// <summary>A wrong step.</summary>
/// <param name="Step">Index of the step, from 0.</param>
/// <param name="Wrong">What the solution computes there.</param>
/// <param name="Right">What it should compute from the same earlier results.</param>
public sealed record Fault(int Step, WorkedCalculation Wrong, WorkedCalculation Right);

/// <summary>A solution of a problem, right or wrong.</summary>
/// <param name="Problem">The problem.</param>
/// <param name="Calculations">One calculation per step.</param>
/// <param name="Faults">The wrong steps in order; none in a right solution.</param>
public sealed record Solution(WordProblem Problem, IReadOnlyList<WorkedCalculation> Calculations, IReadOnlyList<Fault> Faults)
{
    /// <summary>Gets the final answer.</summary>
    public int Answer => Calculations[^1].Result;

    /// <summary>Gets the text in GSM8K's format: one line per step, then <c>#### n</c>.</summary>
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
