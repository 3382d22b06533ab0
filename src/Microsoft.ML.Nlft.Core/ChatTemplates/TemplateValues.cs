using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.Nlft.ChatTemplates;

// The values of a template are plain objects: null (none), bool, long, double, string, List<object?>, and the few types below.

/// <summary>
/// A missing value. It prints as nothing, is false and empty; any other use is an error that names what is missing.
/// </summary>
/// <param name="reason">What is missing, for example <c>'date' is undefined</c>.</param>
internal sealed class Undefined(string reason)
{
    public string Reason { get; } = reason;

    /// <summary>Returns the error of using the value.</summary>
    public TemplateError Error() => new($"an undefined value: {Reason}", "a value that is defined");
}

/// <summary>An immutable sequence, written <c>(a, b)</c>.</summary>
internal sealed class TemplateTuple(params object?[] items) : IReadOnlyList<object?>
{
    public int Count => items.Length;

    public object? this[int index] => items[index];

    public IEnumerator<object?> GetEnumerator() => ((IEnumerable<object?>)items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => items.GetEnumerator();
}

/// <summary>A mapping in insertion order. Keys compare as in Python: 1, 1.0 and true are one key.</summary>
internal sealed class TemplateMap : IEnumerable<KeyValuePair<object?, object?>>
{
    /// <summary>Size of an empty mapping with room for the first entries.</summary>
    public const int Bytes = 256;

    private static readonly object NoneKey = new();

    private readonly OrderedDictionary<object, object?> _items = new(KeyComparer.Instance);

    public int Count => _items.Count;

    public IEnumerable<object?> Keys => _items.Keys.Select(FromKey);

    public IEnumerable<object?> Values => _items.Values;

    public object? this[object? key]
    {
        set => _items[ToKey(key)] = value;
    }

    public bool TryGetValue(object? key, out object? value) => _items.TryGetValue(ToKey(key), out value);

    public void Add(object? key, object? value) => this[key] = value;

    public IEnumerator<KeyValuePair<object?, object?>> GetEnumerator()
    {
        foreach (var (key, value) in _items) yield return new(FromKey(key), value);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static object? FromKey(object key) => ReferenceEquals(key, NoneKey) ? null : key;

    private static object ToKey(object? key) => key switch
    {
        null => NoneKey,
        bool or long or double or string or Undefined => key,
        _ => throw new TemplateError($"{PythonText.TypeName(key)} as a key", "a string, a number, a boolean or none as a key"),
    };

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static readonly KeyComparer Instance = new();

        bool IEqualityComparer<object>.Equals(object? x, object? y) =>
            (Operators.TryNumber(x, out var a) && Operators.TryNumber(y, out var b) && a.Real == b.Real) ||
            (x is Undefined && y is Undefined) ||
            Equals(x, y);

        int IEqualityComparer<object>.GetHashCode(object key) => key switch
        {
            bool or long or double when Operators.TryNumber(key, out var number) => HashOf(number.Real),
            Undefined => 0,
            _ => key.GetHashCode(),
        };

        /// <summary>Hashes both halves with the seed of the process, because a template could choose numbers whose own hashes are equal.</summary>
        private static int HashOf(double number)
        {
            var bits = BitConverter.DoubleToInt64Bits(number == 0 ? 0.0 : number);
            return HashCode.Combine((int)(bits >> 32), (int)bits);
        }
    }
}

/// <summary>The result of <c>namespace()</c>: the only value whose attributes a template can set.</summary>
internal sealed class TemplateNamespace
{
    public Dictionary<string, object?> Attributes { get; } = new(StringComparer.Ordinal);
}

/// <summary>The result of map, select, reject and items: it can be enumerated once, is always true and has no length.</summary>
internal sealed class TemplateGenerator(IEnumerable<object?> items) : IEnumerable<object?>
{
    private readonly IEnumerator<object?> _items = items.GetEnumerator();

    public IEnumerator<object?> GetEnumerator()
    {
        while (_items.MoveNext()) yield return _items.Current;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A callable value: a macro, a method of a value or a global function.</summary>
/// <param name="name">Name in messages.</param>
/// <param name="body">The implementation.</param>
internal sealed class TemplateCallable(string name, Func<CallArguments, object?> body)
{
    public string Name { get; } = name;

    public object? Call(CallArguments arguments) => body(arguments);
}

/// <summary>The variable <c>loop</c> inside a for block.</summary>
internal sealed class LoopState(IReadOnlyList<object?> items, RenderBudget budget)
{
    private object? _lastChanged;
    private bool _hasChanged;

    /// <summary>Gets or sets the index of the current iteration, from 0.</summary>
    public int Index { get; set; }

    /// <summary>Gets an attribute of <c>loop</c>.</summary>
    public bool TryGet(string name, [MaybeNullWhen(true)] out object? value)
    {
        value = name switch
        {
            "index" => Index + 1L,
            "index0" => (long)Index,
            "revindex" => (long)(items.Count - Index),
            "revindex0" => (long)(items.Count - Index - 1),
            "first" => Index == 0,
            "last" => Index == items.Count - 1,
            "length" => (long)items.Count,
            "depth" => 1L, // only recursive loops go deeper
            "depth0" => 0L,
            "previtem" => Index > 0 ? items[Index - 1] : new Undefined("there is no previous item"),
            "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new Undefined("there is no next item"),
            "cycle" => new TemplateCallable("loop.cycle", Cycle),
            "changed" => new TemplateCallable("loop.changed", Changed),
            _ => this,
        };
        return !ReferenceEquals(value, this);
    }

    private object? Cycle(CallArguments arguments) => arguments.Positional.Count == 0
        ? throw new TemplateError("loop.cycle() without values", "one value or more")
        : arguments.Positional[Index % arguments.Positional.Count];

    private object? Changed(CallArguments arguments)
    {
        var value = new TemplateTuple([.. arguments.Positional]);
        if (_hasChanged && Operators.AreEqual(_lastChanged, value, budget)) return false;
        (_lastChanged, _hasChanged) = (value, true);
        return true;
    }
}
