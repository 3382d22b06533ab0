using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>Tells schemas apart: by type, by listed values, or by those of a property that both require.</summary>
internal sealed class SchemaOverlap(IReadOnlyList<SchemaRule> rules)
{
    private const int MaximumDepth = 3, MaximumLeaves = 64;

    private int _comparisons = 100_000; // that are left; beyond them schemas count as alike

    /// <summary>Returns whether certainly no value is valid for both schemas.</summary>
    public bool AreApart(int one, int other) => AreApart(one, other, 0);

    private bool AreApart(int one, int other, int depth)
    {
        if (depth > MaximumDepth) return false;
        var (ones, others) = (Leaves(one), Leaves(other));
        return ones.Count + others.Count <= MaximumLeaves && ones.All(left => others.All(right => AreApart(rules[left], rules[right], depth)));
    }

    private bool AreApart(SchemaRule one, SchemaRule other, int depth)
    {
        if ((_comparisons -= 1 + one.Values.Count * other.Values.Count) < 0) return false;
        if (one.Values.Any(value => Allows(other, value)) || other.Values.Any(value => Allows(one, value))) return false;
        var both = Widened(one.Types) & Widened(other.Types);
        return both == JsonTypes.None || (both == JsonTypes.Object && one.Properties.Any(property => property.IsRequired && --_comparisons > 0
            && other.Properties.FirstOrDefault(match => match.IsRequired && match.Name == property.Name) is { } match
            && AreApart(property.Schema, match.Schema, depth + 1)));
    }

    /// <summary>Returns whether a rule may allow a listed value.</summary>
    private static bool Allows(SchemaRule rule, ListedValue value) =>
        (Widened(rule.Types) & Widened(value.Type)) != 0 || rule.Values.Any(own => own.Type switch
        {
            JsonTypes.Array or JsonTypes.Object => own.Type == value.Type,
            JsonTypes.Integer or JsonTypes.Number => Widened(own.Type) == Widened(value.Type) && Number(own) == Number(value),
            _ => own.Type == value.Type && own.Spellings[0].AsSpan().SequenceEqual(value.Spellings[0]),
        });

    private static double Number(ListedValue value) => double.Parse(Encoding.UTF8.GetString(value.Spellings[0]), CultureInfo.InvariantCulture);

    private static JsonTypes Widened(JsonTypes types) => types.HasFlag(JsonTypes.Integer) ? types & ~JsonTypes.Integer | JsonTypes.Number : types;

    /// <summary>Returns the rules that a rule stands for; more than the limit: too many.</summary>
    private List<int> Leaves(int rule)
    {
        var (leaves, waiting) = (new List<int>(), new Stack<int>([rule]));
        while (leaves.Count <= MaximumLeaves && waiting.TryPop(out var next))
        {
            leaves.Add(next);
            foreach (var other in rules[next].Alternatives) waiting.Push(other);
        }
        return leaves;
    }
}
