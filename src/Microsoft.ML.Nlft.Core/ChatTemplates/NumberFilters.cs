using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The filters that return numbers.</summary>
internal static class NumberFilters
{
    private const int RoundingSteps = 32; // exact rounding works on integers of up to 2,400 bits

    public static IReadOnlyDictionary<string, Filter> All { get; } = new Dictionary<string, Filter>
    {
        ["abs"] = (value, a, _) => Abs(value, a.Bind()),
        ["int"] = (value, a, budget) => Int(value, a.Bind("default", "base"), budget),
        ["float"] = (value, a, budget) =>
            a.Bind("default").Get("default", 0.0) is var fallback && ToDouble(value, budget) is { } number ? number : fallback,
        ["round"] = (value, a, budget) => Round(value, a.Bind("precision", "method"), budget),
        ["sum"] = Sum,
    };

    private static object? Abs(object? value, CallArguments arguments) => value switch
    {
        double d => (object)Math.Abs(d),
        long and not long.MinValue or bool => Math.Abs(value is bool b ? (b ? 1L : 0L) : (long)value),
        Undefined undefined => throw undefined.Error(),
        _ => throw new TemplateError($"{PythonText.TypeName(value)} for {arguments.Callee}", "a number"),
    };

    private static object? Int(object? value, CallArguments arguments, RenderBudget budget)
    {
        var radix = arguments.Integer("base", 10);
        if (value is string text && ParseInteger(text, radix, budget) is { } parsed) return parsed;
        return ToDouble(value, budget) switch
        {
            _ when value is long i => i,
            _ when value is bool b => b ? 1L : 0L,
            double d when Math.Abs(d) < 9e18 => (long)d,
            _ => arguments.Get("default", 0L),
        };
    }

    private static long? ParseInteger(string text, long radix, RenderBudget budget)
    {
        var digits = StringMethods.Strip(text, null, true, true, budget).Replace("_", "");
        if (radix == 10) return long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : null;
        var negative = digits.StartsWith('-');
        digits = digits.TrimStart('-', '+').ToLowerInvariant();
        var prefix = radix switch { 2 => "0b", 8 => "0o", 16 => "0x", _ => throw new TemplateError($"the base {radix}", "2, 8, 10 or 16") };
        if (digits.StartsWith(prefix, StringComparison.Ordinal)) digits = digits[2..];
        try
        {
            var magnitude = Convert.ToInt64(digits, (int)radix);
            return negative ? -magnitude : magnitude;
        }
        catch (Exception exception) when (exception is FormatException or OverflowException or ArgumentException)
        {
            return null;
        }
    }

    private static double? ToDouble(object? value, RenderBudget budget) => value switch
    {
        string text => ParseDouble(StringMethods.Strip(text, null, true, true, budget).Replace("_", "").ToLowerInvariant()),
        _ when Operators.TryNumber(value, out var number) => number.Real,
        _ => null,
    };

    private static double? ParseDouble(string text) => text.TrimStart('+', '-') switch
    {
        "inf" or "infinity" => text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity,
        "nan" => double.NaN,
        _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) ? parsed : null,
    };

    /// <summary>Rounds to <c>precision</c> decimals by the method common (half to even, on the exact binary value), ceil or floor.</summary>
    private static object? Round(object? value, CallArguments arguments, RenderBudget budget)
    {
        budget.Step(RoundingSteps);
        if (!Operators.TryNumber(value, out var number)) throw new TemplateError($"{PythonText.TypeName(value)} to round", "a number");
        var precision = (int)Math.Clamp(arguments.Integer("precision", 0), -400, 400);
        var scale = Math.Pow(10, precision);
        switch (arguments.Text("method", "common"))
        {
            case "common" when number.Exact:
                return precision >= 0 ? number.Integer : (long)HalfToEven(number.Real, precision);
            case "common":
                return double.IsFinite(number.Real) ? HalfToEven(number.Real, precision) : number.Real;
            case "ceil":
                return Math.Ceiling(number.Real * scale) / scale;
            case "floor":
                return Math.Floor(number.Real * scale) / scale;
            case var method:
                throw new TemplateError($"the method '{method}' of round", "common, ceil or floor");
        }
    }

    /// <summary>Rounds half to even: value is exactly m 2^e, and m 2^e 10^precision is rounded in integer arithmetic.</summary>
    private static double HalfToEven(double value, int precision)
    {
        var bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        var exponent = (int)(bits >> 52);
        BigInteger numerator = (bits & 0xFFFFFFFFFFFFF) | (exponent > 0 ? 1L << 52 : 0);
        var shift = Math.Max(exponent, 1) - 1075;
        BigInteger denominator = 1;
        if (shift > 0) numerator <<= shift;
        else denominator <<= -shift;
        if (precision > 0) numerator *= BigInteger.Pow(10, precision);
        else denominator *= BigInteger.Pow(10, -precision);
        var quotient = BigInteger.DivRem(numerator, denominator, out var rest);
        var half = (rest * 2).CompareTo(denominator);
        if (half > 0 || (half == 0 && !quotient.IsEven)) quotient++;
        var rounded = double.Parse(string.Create(CultureInfo.InvariantCulture, $"{quotient}E{-precision}"), CultureInfo.InvariantCulture);
        return Math.CopySign(rounded, value);
    }

    private static object? Sum(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind("attribute", "start");
        var items = Operators.ToList(value, budget).Select(SequenceFilters.AttributeOf(arguments.Get("attribute", null), budget));
        return items.Aggregate(arguments.Get("start", 0L), (sum, item) => Operators.Arithmetic("+", sum, item, budget));
    }
}
