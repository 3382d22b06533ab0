using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// Checks the rules of a schema once all are read: that values lie between references, that some value is valid, and that oneOf is clear.
/// </summary>
/// <param name="rules">The rules.</param>
/// <param name="places">Where each stands.</param>
internal sealed class SchemaCheck(List<SchemaRule> rules, List<JsonPlace> places)
{
    private const int MaximumChain = 64, MaximumAlternatives = 64;

    /// <summary>Refuses schemas that lead back to themselves through $ref and anyOf alone, and long chains of them.</summary>
    public void RequireValuesBetween()
    {
        var lengths = new int[rules.Count]; // of the longest chain from each rule; 0: unknown, -1: being computed
        for (var i = 0; i < rules.Count; i++) Length(i, 0);

        int Length(int rule, int depth)
        {
            if (lengths[rule] > 0) return lengths[rule];
            if (lengths[rule] < 0 || depth > MaximumChain)
            {
                throw places[rule].Refuse("a schema that refers to itself only inside an array or an object, and not through long chains",
                    "Let the reference stand in items or properties.");
            }
            lengths[rule] = -1;
            var length = 1 + rules[rule].Alternatives.Select(other => Length(other, depth + 1)).DefaultIfEmpty().Max();
            if (length > MaximumChain) throw places[rule].Refuse($"at most {MaximumChain} references in a row", "Refer to the last one.");
            return lengths[rule] = length;
        }
    }

    /// <summary>Computes the least depth of each rule's values, from the certain ones on.</summary>
    public void FindDepths()
    {
        for (var changed = true; changed;)
        {
            changed = false;
            for (var i = rules.Count - 1; i >= 0; i--)
            {
                var depth = DepthOf(rules[i]);
                changed |= depth < rules[i].Depth;
                rules[i].Depth = Math.Min(depth, rules[i].Depth);
            }
        }
    }

    private int DepthOf(SchemaRule rule)
    {
        var least = rule.Alternatives.Select(other => rules[other].Depth).Concat(rule.Values.Select(value => value.Depth))
            .DefaultIfEmpty(SchemaRules.NoDepth).Min();
        if ((rule.Types & (JsonTypes.Null | JsonTypes.Boolean)) != 0) return 0;
        if (rule.Types.HasFlag(JsonTypes.String) && rule.MinimumLength <= rule.MaximumLength) return 0;
        if ((rule.Types & (JsonTypes.Integer | JsonTypes.Number)) != 0 && SchemaGrammar.HasNumber(rule)) return 0;
        if (rule.Types.HasFlag(JsonTypes.Array) && rule.MinimumItems <= rule.MaximumItems)
        {
            var needed = rule.FirstItems.Take(rule.MinimumItems).Append(rule.MinimumItems > rule.FirstItems.Count ? rule.Items : SchemaRules.Any);
            least = Math.Min(least, 1 + needed.Max(item => rules[item].Depth));
        }
        if (rule.Types.HasFlag(JsonTypes.Object))
        {
            var needed = rule.Properties.Where(property => property.IsRequired).Select(property => rules[property.Schema].Depth);
            least = Math.Min(least, 1 + needed.DefaultIfEmpty().Max());
        }
        return Math.Min(least, SchemaRules.NoDepth);
    }

    /// <summary>Requires that no value is valid for two alternatives of a oneOf, as far as can be told from types and listed values.</summary>
    public void RequireApart()
    {
        for (var i = 0; i < rules.Count; i++)
        {
            if (rules[i].OneAlternative) RequireApart(rules[i], places[i]);
        }
    }

    private void RequireApart(SchemaRule rule, JsonPlace place)
    {
        if (rule.Alternatives.Count > MaximumAlternatives)
            throw place["oneOf"].Refuse($"at most {MaximumAlternatives} schemas", "Write anyOf.");
        var overlap = new SchemaOverlap(rules);
        for (var i = 0; i < rule.Alternatives.Count; i++)
        {
            for (var j = i + 1; j < rule.Alternatives.Count; j++)
            {
                if (overlap.AreApart(rule.Alternatives[i], rule.Alternatives[j])) continue;
                throw new NlftException(place["oneOf"].Subject, $"schemas {i + 1} and {j + 1}, for both of which a value may be valid",
                    "schemas that differ in their types, in their values, or in the values of a required property",
                    "Write anyOf, or tell them apart.");
            }
        }
    }
}
