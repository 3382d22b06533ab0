using System.Globalization;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>An operand of a calculation: a number, or the result of an earlier step.</summary>
/// <param name="Value">The number, or the index of the step.</param>
/// <param name="IsResult">Whether <paramref name="Value"/> is the index of a step.</param>
public readonly record struct Operand(int Value, bool IsResult)
{
    /// <summary>The result of an earlier step.</summary>
    /// <param name="step">Its index, from 0.</param>
    public static Operand ResultOf(int step) => new(step, true);

    /// <summary>A number of the question.</summary>
    public static implicit operator Operand(int number) => new(number, false);
}

/// <summary>What one step computes.</summary>
/// <param name="Left">Left operand.</param>
/// <param name="Operation">The operation.</param>
/// <param name="Right">Right operand.</param>
public sealed record Calculation(Operand Left, Operation Operation, Operand Right)
{
    /// <summary>Computes it with the results of the steps before, or gives null when that leaves the whole numbers from 0 up.</summary>
    public WorkedCalculation? Work(IReadOnlyList<WorkedCalculation> before)
    {
        var (left, right) = (Number(Left), Number(Right));
        return Operation.Apply(left, right) is { } result ? new WorkedCalculation(left, Operation, right, result) : null;

        int Number(Operand operand) => operand.IsResult ? before[operand.Value].Result : operand.Value;
    }
}

/// <summary>A calculation with its numbers, as it stands in a solution.</summary>
/// <param name="Left">Left number.</param>
/// <param name="Operation">The operation.</param>
/// <param name="Right">Right number.</param>
/// <param name="Result">What the solution says comes out.</param>
public sealed record WorkedCalculation(int Left, Operation Operation, int Right, int Result)
{
    /// <summary>The left side: <c>24-5</c>.</summary>
    public string Expression => string.Create(CultureInfo.InvariantCulture, $"{Left}{Operation.Sign()}{Right}");

    /// <summary>GSM8K's notation: <c>24-5=&lt;&lt;24-5=19&gt;&gt;19</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Expression}=<<{Expression}={Result}>>{Result}");
}
