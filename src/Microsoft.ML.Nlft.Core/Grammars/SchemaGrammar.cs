using System.Text;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// Turns the rules of a schema into expressions, rule by rule when a text reaches them. Members come in the order of the schema, others after them.
/// </summary>
internal sealed class SchemaGrammar
{
    private const int BoundedDecimals = 6;

    private readonly IReadOnlyList<SchemaRule> _rules;
    private readonly ExpressionSet _set;
    private readonly JsonExpressions _json;
    private readonly Dictionary<SchemaRule, (object Member, object Item)> _owners = [];

    public SchemaGrammar(SchemaRules schema, ExpressionSet set, JsonExpressions json)
    {
        (_rules, _set, _json) = (schema.Rules, set, json);
        foreach (var rule in _rules) _owners[rule] = (new object(), new object());
    }

    /// <summary>Returns whether a rule allows a number.</summary>
    public static bool HasNumber(SchemaRule rule) => rule.Bounds is not { } bounds
        || DecimalsOf(rule).Any(decimals => bounds.InUnits(decimals) is var (least, most) && least <= most);

    private static IEnumerable<int> DecimalsOf(SchemaRule rule) =>
        Enumerable.Range(0, rule.Types.HasFlag(JsonTypes.Number) ? 1 + BoundedDecimals : 1);

    /// <summary>The values of a schema.</summary>
    /// <param name="schema">The number of the schema.</param>
    /// <param name="depth">How many arrays and objects a value may nest.</param>
    public Expression Value(int schema, int depth)
    {
        var rule = _rules[schema];
        return rule.Depth > depth ? _set.Nothing : _set.Delay(rule, depth, 0, () => Create(rule, depth));
    }

    private Expression Create(SchemaRule rule, int depth)
    {
        var options = new List<Expression>();
        foreach (var other in rule.Alternatives) options.Add(Value(other, depth));
        var listed = rule.Values.Where(value => value.Depth <= depth).SelectMany(value => value.Spellings).Select(text => (text, _set.Empty));
        options.Add(_set.Words(new WordList(listed)));
        if (rule.Types.HasFlag(JsonTypes.Null)) options.Add(_set.Text("null"));
        if (rule.Types.HasFlag(JsonTypes.Boolean)) options.Add(_set.Choice(_set.Text("true"), _set.Text("false")));
        if ((rule.Types & (JsonTypes.Integer | JsonTypes.Number)) != 0) options.Add(Number(rule));
        if (rule.Types.HasFlag(JsonTypes.String)) options.Add(_json.String(rule.MinimumLength, rule.MaximumLength));
        if (rule.Types.HasFlag(JsonTypes.Array) && depth > 0) options.Add(_set.Sequence(_set.Text("["), Items(rule, 0, depth - 1)));
        if (rule.Types.HasFlag(JsonTypes.Object) && depth > 0) options.Add(_set.Sequence(_set.Text("{"), Members(rule, 0, true, depth - 1)));
        return _set.Choice([.. options]);
    }

    private Expression Number(SchemaRule rule)
    {
        if (rule.Bounds is not { } bounds) return rule.Types.HasFlag(JsonTypes.Number) ? _json.Number() : _json.Integer();
        return _set.Choice([.. DecimalsOf(rule).Select(decimals =>
            bounds.InUnits(decimals) is var (least, most) && least <= most ? _json.Between(least, most, decimals) : _set.Nothing)]);
    }

    /// <summary>The rest of an array from an item on.</summary>
    private Expression Items(SchemaRule rule, int index, int depth)
    {
        var end = index >= rule.MinimumItems ? _set.Sequence(_json.Blank, _set.Text("]")) : _set.Nothing;
        if (index >= rule.MaximumItems) return end;
        var item = Value(index < rule.FirstItems.Count ? rule.FirstItems[index] : rule.Items, depth);
        // Without a maximum the items after the last that differs are alike.
        var next = rule.MaximumItems == ExpressionSet.Unlimited ? Math.Min(index + 1, Math.Max(1, Math.Max(rule.FirstItems.Count, rule.MinimumItems)))
            : index + 1;
        var rest = CanEnd(rule, next, depth) ? _set.Delay(_owners[rule].Item, next, depth, () => Items(rule, next, depth)) : _set.Nothing;
        return _set.Choice(end, _set.Sequence(index > 0 ? _json.Comma : _set.Empty, _json.Blank, item, rest));
    }

    /// <summary>Returns whether the items that are still needed can be written.</summary>
    private bool CanEnd(SchemaRule rule, int index, int depth)
    {
        for (; index < rule.MinimumItems; index++)
        {
            if (index >= rule.FirstItems.Count) return _rules[rule.Items].Depth <= depth;
            if (_rules[rule.FirstItems[index]].Depth > depth) return false;
        }
        return true;
    }

    /// <summary>The rest of an object from a member on.</summary>
    private Expression Members(SchemaRule rule, int index, bool isFirst, int depth)
    {
        var members = new List<(byte[] Word, Expression Then)>();
        var (at, isRequired) = (index, false);
        for (; at < rule.Properties.Count && !isRequired; at++)
        {
            var property = rule.Properties[at];
            isRequired = property.IsRequired;
            var value = Value(property.Schema, depth);
            if (value == _set.Nothing) continue;
            var then = _set.Sequence(_json.Colon, _json.Space, value, Next(rule, at + 1, depth));
            members.AddRange(JsonExpressions.Spellings(property.Name).Select(name => (name, then)));
        }
        var names = _set.Words(new WordList(members));
        if (!isRequired && Value(rule.OtherProperties, depth) is var other && other != _set.Nothing)
        {
            var named = _set.Words(new WordList(rule.Properties.Select(property =>
                (Encoding.UTF8.GetBytes(JsonExpressions.Spelling(property.Name, escapes: false)), _set.Empty))));
            names = _set.Choice(names, _set.Sequence(_set.Difference(_json.NameRest, named), _json.Colon, _json.Space, other,
                Next(rule, rule.Properties.Count, depth)));
        }
        var member = _set.Sequence(isFirst ? _set.Empty : _json.Comma, _json.Blank, _json.Quote, names);
        return isRequired ? member : _set.Choice(member, _set.Sequence(_json.Blank, _set.Text("}")));
    }

    private Expression Next(SchemaRule rule, int index, int depth) =>
        _set.Delay(_owners[rule].Member, index, depth, () => Members(rule, index, false, depth));
}
