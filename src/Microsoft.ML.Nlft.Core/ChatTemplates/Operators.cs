using System.Globalization;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Implements truth, equality, order and arithmetic as in Python.</summary>
internal static class Operators
{
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool b => b,
        long i => i != 0,
        double d => d != 0,
        string s => s.Length > 0,
        IReadOnlyList<object?> list => list.Count > 0,
        TemplateMap map => map.Count > 0,
        _ => true,
    };

    public static bool AreEqual(object? left, object? right, RenderBudget budget)
    {
        budget.Visit();
        if (TryNumbers(left, right, out var x, out var y)) return x.Exact && y.Exact ? x.Integer == y.Integer : Compare(x, y) == 0;
        return (left, right) switch
        {
            (null, null) or (Undefined, Undefined) => true,
            (string a, string b) => a.Length == b.Length && PythonText.Compare(a, b, budget) == 0,
            (TemplateTuple a, TemplateTuple b) => SameItems(a, b),
            (List<object?> a, List<object?> b) => SameItems(a, b),
            (TemplateMap a, TemplateMap b) =>
                a.Count == b.Count && a.All(pair => SameValue(b, pair)),
            _ => ReferenceEquals(left, right),
        };

        bool SameValue(TemplateMap map, KeyValuePair<object?, object?> pair)
        {
            budget.Hash(pair.Key);
            return map.TryGetValue(pair.Key, out var other) && AreEqual(pair.Value, other, budget);
        }

        bool SameItems(IReadOnlyList<object?> a, IReadOnlyList<object?> b) =>
            a.Count == b.Count && a.Zip(b).All(pair => AreEqual(pair.First, pair.Second, budget));
    }

    /// <summary>Compares two values: negative, zero or positive, null for NaN. <paramref name="sign"/> is the operator in messages.</summary>
    public static int? Compare(string sign, object? left, object? right, RenderBudget budget)
    {
        budget.Visit();
        if (TryNumbers(left, right, out var x, out var y)) return Compare(x, y);
        switch (left, right)
        {
            case (string a, string b):
                return PythonText.Compare(a, b, budget);
            case (List<object?> a, List<object?> b):
                return CompareItems(sign, a, b, budget);
            case (TemplateTuple a, TemplateTuple b):
                return CompareItems(sign, a, b, budget);
            case (Undefined undefined, _):
                throw undefined.Error();
            case (_, Undefined undefined):
                throw undefined.Error();
            default:
                throw new TemplateError(Between(sign, left, right), "two numbers, two strings or two lists");
        }
    }

    /// <summary>Evaluates <c>== != &lt; &lt;= &gt; &gt;= in</c> or <c>not in</c>.</summary>
    public static bool Holds(string sign, object? left, object? right, RenderBudget budget) => sign switch
    {
        "==" => AreEqual(left, right, budget),
        "!=" => !AreEqual(left, right, budget),
        "in" => Contains(right, left, budget),
        "not in" => !Contains(right, left, budget),
        "<" => Compare(sign, left, right, budget) < 0,
        "<=" => Compare(sign, left, right, budget) <= 0,
        ">" => Compare(sign, left, right, budget) > 0,
        _ => Compare(sign, left, right, budget) >= 0,
    };

    /// <summary>Evaluates <c>item in container</c>.</summary>
    public static bool Contains(object? container, object? item, RenderBudget budget) => container switch
    {
        string text => item is string part
            ? PythonText.Search(text, part, budget).Next() >= 0
            : throw new TemplateError($"{PythonText.TypeName(item)} looked for in a string", "a string"),
        TemplateMap map => HasKey(map, item, budget),
        _ => Iterate(container, budget).Any(candidate => AreEqual(candidate, item, budget)),
    };

    private static bool HasKey(TemplateMap map, object? key, RenderBudget budget)
    {
        budget.Hash(key);
        return map.TryGetValue(key, out _);
    }

    /// <summary>Enumerates a value: the items of a list, the characters of a string, the keys of a mapping.</summary>
    public static IEnumerable<object?> Iterate(object? value, RenderBudget budget) => value switch
    {
        Undefined => [],
        string text => PythonText.Characters(text, budget),
        IReadOnlyList<object?> list => list,
        TemplateMap map => map.Keys,
        TemplateGenerator generator => generator,
        _ => throw new TemplateError($"{PythonText.TypeName(value)} to iterate over", "a list, a mapping or a string"),
    };

    /// <summary>Copies the items of a value to a new list.</summary>
    public static List<object?> ToList(object? value, RenderBudget budget)
    {
        var known = value switch
        {
            TemplateMap map => map.Count,
            IReadOnlyCollection<object?> list => list.Count,
            _ => 0,
        };
        budget.CountItems(known);
        var items = Iterate(value, budget).ToList();
        budget.CountItems(items.Count - known); // the characters of a string, or what is left of a generator
        return items;
    }

    public static object? Negate(object? value, string sign) => value switch
    {
        double d => sign == "-" ? -d : d,
        long or bool => sign == "-" ? Integer("-", () => checked(-ToLong(value))) : ToLong(value),
        Undefined undefined => throw undefined.Error(),
        _ => throw new TemplateError($"'{sign}' before {PythonText.TypeName(value)}", "a number"),
    };

    /// <summary>Evaluates <c>+ - * / // %</c> or <c>**</c>.</summary>
    public static object? Arithmetic(string sign, object? left, object? right, RenderBudget budget)
    {
        if (left is Undefined || right is Undefined) throw ((left as Undefined) ?? (Undefined)right!).Error();
        if (TryNumbers(left, right, out var x, out var y))
        {
            return x.Exact && y.Exact ? Integers(sign, x.Integer, y.Integer) : Reals(sign, x.Real, y.Real);
        }

        switch (sign, left, right)
        {
            case ("+", string a, string b):
                budget.CountCharacters((long)a.Length + b.Length);
                return a + b;
            case ("+", List<object?> a, List<object?> b):
                budget.CountItems((long)a.Count + b.Count);
                return new List<object?>([.. a, .. b]);
            case ("+", TemplateTuple a, TemplateTuple b):
                budget.CountItems((long)a.Count + b.Count);
                return new TemplateTuple([.. a, .. b]);
            case ("*", string or List<object?> or TemplateTuple, long or bool):
                return Repeat(left, ToLong(right), budget);
            case ("*", long or bool, string or List<object?> or TemplateTuple):
                return Repeat(right, ToLong(left), budget);
            case ("%", string, _):
                throw new TemplateError("'%' to format a string", "'~' or '+' to join strings");
            default:
                throw new TemplateError(Between(sign, left, right), "two numbers, or two values of one kind that can be joined");
        }
    }

    private static string Between(string sign, object? left, object? right) =>
        $"'{sign}' between {PythonText.TypeName(left)} and {PythonText.TypeName(right)}";

    /// <summary>A number: an exact 64-bit integer, or a double.</summary>
    internal readonly record struct Number(bool Exact, long Integer, double Real);

    public static bool TryNumber(object? value, out Number number)
    {
        number = value switch
        {
            bool b => new(true, b ? 1 : 0, b ? 1 : 0),
            long i => new(true, i, i),
            double d => new(false, 0, d),
            _ => default,
        };
        return value is bool or long or double;
    }

    private static bool TryNumbers(object? left, object? right, out Number x, out Number y)
    {
        y = default;
        return TryNumber(left, out x) && TryNumber(right, out y);
    }

    private static long ToLong(object? value) => value is bool b ? (b ? 1 : 0) : (long)value!;

    private static int? Compare(Number x, Number y)
    {
        if (x.Exact && y.Exact) return x.Integer.CompareTo(y.Integer);
        return double.IsNaN(x.Real) || double.IsNaN(y.Real) ? null : x.Real.CompareTo(y.Real);
    }

    private static int? CompareItems(string sign, IReadOnlyList<object?> a, IReadOnlyList<object?> b, RenderBudget budget)
    {
        for (var i = 0; i < Math.Min(a.Count, b.Count); i++)
        {
            if (!AreEqual(a[i], b[i], budget)) return Compare(sign, a[i], b[i], budget);
        }

        return a.Count.CompareTo(b.Count);
    }

    private static object Repeat(object? value, long count, RenderBudget budget)
    {
        count = Math.Max(count, 0);
        var length = value is string s ? s.Length : ((IReadOnlyList<object?>)value!).Count;
        if (length == 0) count = 0;
        var total = count > int.MaxValue ? long.MaxValue : length * count;
        if (value is string) budget.CountCharacters(total);
        else budget.CountItems(total);
        return value switch
        {
            string text => string.Concat(Enumerable.Repeat(text, (int)count)),
            List<object?> list => Enumerable.Repeat(list, (int)count).SelectMany(item => item).ToList(),
            _ => new TemplateTuple([.. Enumerable.Repeat((TemplateTuple)value, (int)count).SelectMany(item => item)]),
        };
    }

    private static object Integers(string sign, long x, long y)
    {
        if (y == 0 && sign is "/" or "//" or "%") throw new TemplateError("a division by zero", "another divisor");
        return sign switch
        {
            "+" => Integer(sign, () => checked(x + y)),
            "-" => Integer(sign, () => checked(x - y)),
            "*" => Integer(sign, () => checked(x * y)),
            "/" => (double)x / y,
            "//" => Integer(sign, () => checked(x / y) - (y != -1 && x % y != 0 && (x < 0) != (y < 0) ? 1 : 0)),
            "%" => y == -1 ? 0L : x % y is var rest && rest != 0 && (rest < 0) != (y < 0) ? rest + y : x % y,
            "**" when y < 0 => Math.Pow(x, y),
            _ => Integer(sign, () => Power(x, y)),
        };
    }

    private static object Reals(string sign, double x, double y)
    {
        if (y == 0 && sign is "/" or "//" or "%") throw new TemplateError("a division by zero", "another divisor");
        var rest = x % y;
        if (rest != 0 && (rest < 0) != (y < 0)) rest += y;
        return sign switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "//" => Math.Round((x - rest) / y),
            "%" => rest,
            _ => Math.Pow(x, y),
        };
    }

    private static long Power(long x, long y)
    {
        if (x is 0 or 1 or -1) return y == 0 ? 1 : x == -1 && y % 2 == 0 ? 1 : x;
        var result = 1L;
        for (; y > 0; y--) result = checked(result * x);
        return result;
    }

    private static object Integer(string sign, Func<long> compute)
    {
        try
        {
            return compute();
        }
        catch (OverflowException)
        {
            throw new TemplateError(string.Create(CultureInfo.InvariantCulture, $"an integer result of '{sign}' beyond 64 bits"), "smaller numbers");
        }
    }
}
