namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Keeps .NET's parser of regular expressions from overflowing the stack: it calls itself for every class of characters that is subtracted from
/// another, as in <c>[a-z-[aeiou]]</c>, without a limit.
/// </summary>
internal static class ClassSubtractions
{
    private const int Maximum = 16;

    /// <summary>Refuses an expression that may nest too deep.</summary>
    /// <exception cref="ArgumentException">It has more than 16 places where a subtraction can begin.</exception>
    public static void Require(string expression)
    {
        if (expression.AsSpan().Count("-[") > Maximum) throw new ArgumentException($"-[ more than {Maximum} times");
    }
}
