using System.Globalization;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>Writes judgments in words: each names the wrong steps, what they do and what they should do.</summary>
public static class JudgmentWriter
{
    private const int WordingCount = 5;

    /// <summary>Writes a judgment with one sentence per wrong step, in order, in one of several wordings.</summary>
    /// <exception cref="ArgumentException">The solution is right.</exception>
    public static string Write(Solution solution, Random random)
    {
        ArgumentNullException.ThrowIfNull(solution);
        ArgumentNullException.ThrowIfNull(random);
        if (solution.Faults.Count == 0) throw new ArgumentException("A right solution has no judgment.", nameof(solution));
        var wording = random.Next(WordingCount);
        return string.Join(' ', solution.Faults.Select(fault => Sentence(fault, wording)));
    }

    private static string Sentence(Fault fault, int wording)
    {
        var step = (fault.Step + 1).ToString(CultureInfo.InvariantCulture);
        var (wrong, right) = (fault.Wrong, fault.Right);
        return wording switch
        {
            0 => $"Step {step} {Does(wrong)}; it must {Do(right)}.",
            1 => $"In step {step} the response {Does(wrong)} but should {Do(right)}.",
            2 => $"Step {step} is wrong: it {Does(wrong)} where it should {Do(right)}.",
            3 => $"The response should {Do(right)} in step {step}, but it {Does(wrong)}.",
            _ when wrong.Operation == Operation.AddWithoutCarry =>
                $"Step {step}: {wrong.Expression} is not {Number(wrong.Result)} but {Number(right.Result)}.",
            _ => $"Step {step} has {wrong.Expression} where {right.Expression} is right.",
        };
    }

    private static string Does(WorkedCalculation calculation) => calculation.Operation switch
    {
        Operation.Add => $"adds {Number(calculation.Right)}",
        Operation.Subtract => $"subtracts {Number(calculation.Right)}",
        Operation.Multiply => $"multiplies by {Number(calculation.Right)}",
        Operation.Divide => $"divides by {Number(calculation.Right)}",
        _ => $"adds {Number(calculation.Right)} without the carry",
    };

    private static string Do(WorkedCalculation calculation) => calculation.Operation switch
    {
        Operation.Add => $"add {Number(calculation.Right)}",
        Operation.Subtract => $"subtract {Number(calculation.Right)}",
        Operation.Multiply => $"multiply by {Number(calculation.Right)}",
        Operation.Divide => $"divide by {Number(calculation.Right)}",
        _ => throw new ArgumentOutOfRangeException(nameof(calculation), calculation, "never right"),
    };

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
