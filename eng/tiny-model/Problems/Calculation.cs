using System.Globalization;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>An operand of a calculation: a number, or the result of an earlier step.</summary>
/// <param name="Value">The number, or the index of the step.</param>
/// <param name="IsResult">Whether <paramref name="Value"/> is the index of a step.</param>
public readonly record struct Operand(int Value, bool IsResult)
{
    /// <summary>Creates an operand that is the result of an earlier step.</summary>
    /// <param name="step">Index of the step, from 0.</param>
    public static Operand ResultOf(int step) => new(step, true);

    /// <summary>Creates an operand that is a number of the question.</summary>
    public static implicit operator Operand(int number) => new(number, false);
}

/// <summary>The calculation of one step.</summary>
/// <param name="Left">Left operand.</param>
/// <param name="Operation">The operation.</param>
/// <param name="Right">Right operand.</param>
public sealed record Calculation(Operand Left, Operation Operation, Operand Right)
{
    /// <summary>Computes the step from earlier results; returns null if the result is not a whole number of at least 0.</summary>
    public WorkedCalculation? Work(IReadOnlyList<WorkedCalculation> before)
    {
        var (left, right) = (Number(Left), Number(Right));
        return Operation.Apply(left, right) is { } result ? new WorkedCalculation(left, Operation, right, result) : null;

        int Number(Operand operand) => operand.IsResult ? before[operand.Value].Result : operand.Value;
    }
}

/// <summary>A calculation with its numbers, as in a solution.</summary>
/// <param name="Left">Left number.</param>
/// <param name="Operation">The operation.</param>
/// <param name="Right">Right number.</param>
/// <param name="Result">The result that the solution states.</param>
public sealed record WorkedCalculation(int Left, Operation Operation, int Right, int Result)
{
    /// <summary>Gets the left side: <c>24-5</c>.</summary>
    public string Expression => string.Create(CultureInfo.InvariantCulture, $"{Left}{Operation.Sign()}{Right}");

    /// <summary>Formats the calculation in GSM8K's notation: <c>24-5=&lt;&lt;24-5=19&gt;&gt;19</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Expression}=<<{Expression}={Result}>>{Result}");
}
