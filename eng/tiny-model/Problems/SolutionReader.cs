using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>Parses a model's response into a solution of a known problem, so that it can be judged step by step.</summary>
public static partial class SolutionReader
{
    /// <summary>
    /// Parses a response. The faults of the solution are the steps that differ from what the right solution computes from the same earlier results.
    /// </summary>
    /// <returns>The solution, or null if the response lacks the problem's steps or its final answer is not the last result.</returns>
    public static Solution? Read(WordProblem problem, string response)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(response);
        var annotations = Annotation().Matches(response);
        if (annotations.Count != problem.Steps.Count) return null;
        var worked = new List<WorkedCalculation>();
        var faults = new List<Fault>();
        for (var i = 0; i < problem.Steps.Count; i++)
        {
            if (problem.Steps[i].Right.Work(worked) is not { } right || Written(annotations[i]) is not { } written) return null;
            if (written != right) faults.Add(new Fault(i, written, right));
            worked.Add(written);
        }

        var final = FinalAnswer().Match(response);
        return final.Success && Integer(final.Groups[1]) == worked[^1].Result ? new Solution(problem, worked, faults) : null;
    }

    private static WorkedCalculation? Written(Match annotation)
    {
        int? Number(int group) => Integer(annotation.Groups[group]);
        if (Number(1) is not { } left || Number(3) is not { } right || Number(4) is not { } result) return null;
        var operation = annotation.Groups[2].Value switch
        {
            "+" when result != left + right && Operation.AddWithoutCarry.Apply(left, right) == result => Operation.AddWithoutCarry,
            "+" => Operation.Add,
            "-" => Operation.Subtract,
            "*" => Operation.Multiply,
            _ => Operation.Divide,
        };
        return new WorkedCalculation(left, operation, right, result);
    }

    private static int? Integer(Group digits) =>
        int.TryParse(digits.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    [GeneratedRegex(@"<<(\d+)([-+*/])(\d+)=(\d+)>>")]
    private static partial Regex Annotation();

    [GeneratedRegex(@"#### (\d+)\s*\z")]
    private static partial Regex FinalAnswer();
}
