namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Resolves <c>.name</c>, <c>[index]</c> and <c>[a:b]</c> on values.</summary>
internal static class Members
{
    /// <summary>Resolves <c>target.name</c>; a method takes precedence over a key, as in Jinja.</summary>
    public static object? Attribute(object? target, string name, RenderBudget budget)
    {
        if (target is Undefined undefined) throw undefined.Error();
        budget.Hash(name);
        if (TryGetMember(target, name, budget, out var value)) return value;
        return target is TemplateMap map && map.TryGetValue(name, out value) ? value : Missing(target, name);
    }

    /// <summary>Implements the attr filter: resolves a method or an attribute, never a key.</summary>
    public static object? Method(object? target, string name, RenderBudget budget) =>
        target is Undefined undefined ? throw undefined.Error() : TryGetMember(target, name, budget, out var value) ? value : Missing(target, name);

    /// <summary>Resolves <c>target[index]</c>; a key or an item takes precedence over a method.</summary>
    public static object? Item(object? target, object? index, RenderBudget budget)
    {
        budget.Hash(index);
        switch (target)
        {
            case Undefined undefined:
                throw undefined.Error();
            case TemplateMap map when index is null or bool or long or double or string && map.TryGetValue(index, out var value):
                return value;
            case IReadOnlyList<object?> list when index is long or bool:
                return TryIndex(list.Count, index, out var i) ? list[i] : Missing(target, index);
            case string text when index is long or bool:
                return PythonText.Character(text, index is bool b ? (b ? 1 : 0) : (long)index, budget) ?? (object)Missing(target, index);
            default:
                return index is string name && TryGetMember(target, name, budget, out var member) ? member : Missing(target, index);
        }
    }

    private static bool TryIndex(int count, object index, out int result)
    {
        var i = index is bool b ? (b ? 1 : 0) : (long)index;
        if (i < 0) i += count;
        result = (int)Math.Clamp(i, 0, int.MaxValue);
        return i >= 0 && i < count;
    }

    /// <summary>Evaluates <c>target[start:stop:step]</c>.</summary>
    public static object? Slice(object? target, object? start, object? stop, object? step, RenderBudget budget)
    {
        if (target is Undefined undefined) throw undefined.Error();
        IReadOnlyList<object?>? items = target is string text ? PythonText.Characters(text, budget) : target as IReadOnlyList<object?>;
        if (items is null) throw new TemplateError($"a slice of {PythonText.TypeName(target)}", "a string or a list");
        var (first, by, count) = Indices(items.Count, Bound(start), Bound(stop), Bound(step) ?? 1);
        budget.CountItems(count);
        var taken = new object?[count];
        for (var i = 0; i < count; i++) taken[i] = items[(int)(first + (i * by))];
        return target switch
        {
            string => string.Concat(taken),
            TemplateTuple => new TemplateTuple(taken),
            _ => taken.ToList(),
        };
    }

    private static long? Bound(object? value) => value switch
    {
        null => null,
        long i => i,
        bool b => b ? 1 : 0,
        Undefined undefined => throw undefined.Error(),
        _ => throw new TemplateError($"{PythonText.TypeName(value)} in a slice", "an integer or nothing"),
    };

    private static (long First, long Step, int Count) Indices(int count, long? start, long? stop, long step)
    {
        if (step == 0) throw new TemplateError("a slice with step 0", "another step");
        var (low, high) = step > 0 ? (0L, (long)count) : (-1L, count - 1L);
        var first = start is { } a ? Math.Clamp(a < 0 ? a + count : a, low, high) : step > 0 ? low : high;
        var last = stop is { } b ? Math.Clamp(b < 0 ? b + count : b, low, high) : step > 0 ? high : low;
        step = Math.Clamp(step, -count - 1L, count + 1L);
        var distance = step > 0 ? last - first : first - last;
        return (first, step, distance <= 0 ? 0 : (int)((distance - 1) / Math.Abs(step)) + 1);
    }

    private static bool TryGetMember(object? target, string name, RenderBudget budget, out object? value)
    {
        switch (target)
        {
            case LoopState loop:
                return loop.TryGet(name, out value);
            case TemplateNamespace @namespace:
                return @namespace.Attributes.TryGetValue(name, out value);
            case string text:
                value = StringMethods.Find(text, name, budget);
                return value is not null;
            case TemplateMap map:
                value = MapMethod(map, name, budget);
                return value is not null;
            case IReadOnlyList<object?> list:
                value = ListMethod(list, name, budget);
                return value is not null;
            default:
                value = null;
                return false;
        }
    }

    private static Undefined Missing(object? target, object? key) => new(key is string name
        ? $"{PythonText.TypeName(target)} has no attribute '{name}'"
        : $"{PythonText.TypeName(target)} has no element {(key is long i ? i : PythonText.TypeName(key))}");

    private static TemplateCallable? MapMethod(TemplateMap map, string name, RenderBudget budget) => name switch
    {
        "get" => Bound(name, a => Get(map, a.Bind("key", "default"), budget)),
        "keys" => Bound(name, a => a.Bind() is var _ ? Operators.ToList(map, budget) : null),
        "values" => Bound(name, a => a.Bind() is var _ ? Values(map, budget) : null),
        "items" => Bound(name, a => a.Bind() is var _ ? Items(map, budget) : null),
        "copy" => Bound(name, a => a.Bind() is var _ ? Copy(map, budget) : null),
        "clear" or "pop" or "popitem" or "setdefault" or "update" => Immutable(name),
        _ => null,
    };

    private static TemplateCallable? ListMethod(IReadOnlyList<object?> list, string name, RenderBudget budget) => name switch
    {
        "count" => Bound(name, a =>
        {
            var value = a.Bind("value").Get("value");
            return (long)list.Count(item => Operators.AreEqual(item, value, budget));
        }),
        "index" => Bound(name, a =>
        {
            var value = a.Bind("value").Get("value");
            for (var i = 0; i < list.Count; i++)
            {
                if (Operators.AreEqual(list[i], value, budget)) return (long)i;
            }

            throw new TemplateError("a value that index does not find", "one that is in the list");
        }),
        "copy" when list is List<object?> => Bound(name, a => a.Bind() is var _ ? Operators.ToList(list, budget) : null),
        "append" or "clear" or "pop" or "reverse" or "insert" or "sort" or "extend" or "remove" when list is List<object?> => Immutable(name),
        _ => null,
    };

    /// <summary>Returns the pairs of a mapping.</summary>
    public static List<object?> Items(TemplateMap map, RenderBudget budget)
    {
        budget.CountItems(3L * map.Count);
        return [.. map.Select(pair => new TemplateTuple(pair.Key, pair.Value))];
    }

    private static List<object?> Values(TemplateMap map, RenderBudget budget)
    {
        budget.CountItems(map.Count);
        return [.. map.Values];
    }

    private static object? Get(TemplateMap map, CallArguments arguments, RenderBudget budget)
    {
        var key = arguments.Get("key");
        budget.Hash(key);
        return map.TryGetValue(key, out var value) ? value : arguments.Get("default", null);
    }

    private static TemplateMap Copy(TemplateMap map, RenderBudget budget)
    {
        budget.Allocate(TemplateMap.Bytes);
        budget.CountItems(map.Count);
        var copy = new TemplateMap();
        foreach (var (key, value) in map)
        {
            budget.Hash(key);
            copy.Add(key, value);
        }

        return copy;
    }

    private static TemplateCallable Bound(string name, Func<CallArguments, object?> body) => new(name, body);

    private static TemplateCallable Immutable(string name) =>
        new(name, _ => throw new TemplateError($"{name}(), which changes a value", "an expression that makes a new value"));
}
