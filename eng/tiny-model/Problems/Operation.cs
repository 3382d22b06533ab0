namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>The operation of a solution step on its two numbers.</summary>
public enum Operation
{
    /// <summary>a + b.</summary>
    Add,

    /// <summary>a - b.</summary>
    Subtract,

    /// <summary>a * b.</summary>
    Multiply,

    /// <summary>a / b, without remainder.</summary>
    Divide,

    /// <summary>a + b without carries: the digits are added separately, modulo ten.</summary>
    AddWithoutCarry,
}

/// <summary>Computes and formats operations.</summary>
public static class Operations
{
    /// <summary>Computes the result; returns null if it is not a whole number of at least 0.</summary>
    public static int? Apply(this Operation operation, int left, int right) => operation switch
    {
        Operation.Add => left + right,
        Operation.Subtract => left >= right ? left - right : null,
        Operation.Multiply => left * right,
        Operation.Divide => right > 0 && left % right == 0 ? left / right : null,
        Operation.AddWithoutCarry => AddDigits(left, right),
        _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, "unknown operation"),
    };

    /// <summary>Returns the operator sign in GSM8K's notation.</summary>
    public static char Sign(this Operation operation) => operation switch
    {
        Operation.Add or Operation.AddWithoutCarry => '+',
        Operation.Subtract => '-',
        Operation.Multiply => '*',
        Operation.Divide => '/',
        _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, "unknown operation"),
    };

    private static int AddDigits(int left, int right) =>
        left == 0 && right == 0 ? 0 : (AddDigits(left / 10, right / 10) * 10) + (((left % 10) + (right % 10)) % 10);
}
