using System.Globalization;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Implements the tojson filter: Python's json.dumps with ensure_ascii=False, keys in insertion order and no HTML escapes.</summary>
internal sealed class PythonJson
{
    private readonly TextBuilder _text;
    private readonly bool _ascii, _sorted;
    private readonly string? _indent;
    private readonly string _itemSeparator, _keySeparator;

    private PythonJson(CallArguments arguments, RenderBudget budget)
    {
        _text = new(budget);
        arguments.Bind("ensure_ascii", "indent", "separators", "sort_keys");
        (_ascii, _sorted) = (arguments.Flag("ensure_ascii"), arguments.Flag("sort_keys"));
        _indent = arguments.Get("indent", null) switch
        {
            null => null,
            string text => text,
            _ => new string(' ', (int)Math.Clamp(arguments.Integer("indent", 0), 0, 1000)),
        };
        (_itemSeparator, _keySeparator) = arguments.Get("separators", null) switch
        {
            null => (_indent is null ? ", " : ",", ": "),
            IReadOnlyList<object?> { Count: 2 } pair when pair[0] is string item && pair[1] is string key => (item, key),
            var other => throw new TemplateError($"{PythonText.TypeName(other)} as separators of tojson", "two strings"),
        };
    }

    /// <summary>Formats a value as JSON.</summary>
    /// <param name="value">None, a boolean, a number, a string, a list or a mapping.</param>
    /// <param name="arguments">ensure_ascii=false, indent=none, separators=none, sort_keys=false.</param>
    /// <param name="budget">Limits the length.</param>
    public static string Write(object? value, CallArguments arguments, RenderBudget budget)
    {
        var writer = new PythonJson(arguments, budget);
        writer.Value(value, 0, budget);
        return writer._text.ToString();
    }

    private void Value(object? value, int depth, RenderBudget budget)
    {
        budget.Visit();
        switch (value)
        {
            case null:
                _text.Append("null");
                break;
            case bool b:
                _text.Append(b ? "true" : "false");
                break;
            case long i:
                _text.Append(i.ToString(CultureInfo.InvariantCulture));
                break;
            case double d:
                _text.Append(Real(d));
                break;
            case string s:
                Text(s);
                break;
            case IReadOnlyList<object?> list:
                Block('[', list, ']', depth, item => Value(item, depth + 1, budget));
                break;
            case TemplateMap map:
                budget.CountItems(map.Count);
                var pairs = map.Select(pair => new KeyValuePair<string, object?>(Key(pair.Key), pair.Value)).ToList();
                if (_sorted) pairs = [.. pairs.OrderBy(pair => pair.Key, Comparer<string>.Create((a, b) => PythonText.Compare(a, b, budget)))];
                Block('{', pairs, '}', depth, pair =>
                {
                    Text(pair.Key);
                    _text.Append(_keySeparator);
                    Value(pair.Value, depth + 1, budget);
                });
                break;
            case Undefined undefined:
                throw undefined.Error();
            default:
                throw new TemplateError($"{PythonText.TypeName(value)} for tojson", "none, a boolean, a number, a string, a list or a mapping");
        }
    }

    private void Block<T>(char open, IReadOnlyCollection<T> items, char close, int depth, Action<T> write)
    {
        _text.Append(open);
        var first = true;
        foreach (var item in items)
        {
            if (!first) _text.Append(_itemSeparator);
            first = false;
            NewLine(depth + 1);
            write(item);
        }

        if (items.Count > 0) NewLine(depth);
        _text.Append(close);
    }

    private void NewLine(int depth)
    {
        if (_indent is null) return;
        _text.Append('\n');
        for (var i = 0; i < depth; i++) _text.Append(_indent);
    }

    private static string Real(double value) => value switch
    {
        double.NaN => "NaN",
        double.PositiveInfinity => "Infinity",
        double.NegativeInfinity => "-Infinity",
        _ => PythonText.OfDouble(value),
    };

    private static string Key(object? key) => key switch
    {
        string text => text,
        null => "null",
        bool b => b ? "true" : "false",
        double d => Real(d),
        long i => i.ToString(CultureInfo.InvariantCulture),
        _ => throw new TemplateError($"{PythonText.TypeName(key)} as a key for tojson", "a string, a number, a boolean or none"),
    };

    private void Text(string text)
    {
        _text.Append('"');
        foreach (var c in text)
        {
            switch (c)
            {
                case '"': _text.Append("\\\""); break;
                case '\\': _text.Append("\\\\"); break;
                case '\n': _text.Append("\\n"); break;
                case '\r': _text.Append("\\r"); break;
                case '\t': _text.Append("\\t"); break;
                case '\b': _text.Append("\\b"); break;
                case '\f': _text.Append("\\f"); break;
                case var _ when c < ' ' || (_ascii && c > '~'): _text.Append(string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")); break;
                default: _text.Append(c); break;
            }
        }

        _text.Append('"');
    }
}
