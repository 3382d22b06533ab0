using System.Collections.Frozen;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>A filter, applied to a value with the other arguments, within a budget.</summary>
internal delegate object? Filter(object? value, CallArguments arguments, RenderBudget budget);

/// <summary>Looks up filters by name.</summary>
internal static class Filters
{
    private static readonly FrozenDictionary<string, Filter> All =
        TextFilters.All.Concat(NumberFilters.All).Concat(SequenceFilters.All)
            .ToFrozenDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);

    public static bool Exists(string name) => All.ContainsKey(name);

    /// <summary>Applies a filter, one level deeper: map applies another.</summary>
    public static object? Apply(string name, object? value, CallArguments arguments, RenderBudget budget)
    {
        if (!All.TryGetValue(name, out var filter))
        {
            throw new TemplateError($"the filter '{name}'", $"one of {string.Join(", ", All.Keys.Order(StringComparer.Ordinal))}");
        }

        budget.Step();
        budget.Enter();
        var result = filter(value, arguments, budget);
        budget.Leave();
        return result;
    }
}
