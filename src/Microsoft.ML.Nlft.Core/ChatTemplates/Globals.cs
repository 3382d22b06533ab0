namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The global functions of a template.</summary>
internal static class Globals
{
    private const int MaximumRange = 100_000;

    /// <summary>Creates a scope with range, dict, namespace, raise_exception and strftime_now.</summary>
    public static Scope Create(TimeProvider time, RenderBudget budget)
    {
        var scope = new Scope(null);
        Add("range", arguments => Range(arguments.Bind("start", "stop", "step"), budget));
        Add("dict", arguments => Merge(arguments, budget));
        Add("namespace", arguments =>
        {
            var result = new TemplateNamespace();
            foreach (var (key, value) in Merge(arguments, budget)) result.Attributes[PythonText.Of(key, budget)] = value;
            return result;
        });
        Add("raise_exception", arguments =>
        {
            var message = PythonText.Of(arguments.Bind("message").Get("message"), budget);
            throw new TemplateRaised(message);
        });
        Add("strftime_now", arguments => Strftime.Format(arguments.Bind("format").Text("format"), time.GetLocalNow(), budget));
        return scope;

        void Add(string name, Func<CallArguments, object?> body) => scope[name] = new TemplateCallable(name, body);
    }

    private static List<object?> Range(CallArguments arguments, RenderBudget budget)
    {
        var first = arguments.Integer("start", 0);
        var (start, stop) = arguments.TryGet("stop", out _) ? (first, arguments.Integer("stop", 0)) : (0, first);
        var step = arguments.Integer("step", 1);
        if (step == 0) throw new TemplateError("a range with step 0", "another step");
        var distance = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        var count = distance <= 0 ? 0 : (distance - 1) / Int128.Abs(step) + 1;
        if (count > MaximumRange) throw new TemplateError($"a range of {count} numbers", $"at most {MaximumRange}");
        budget.CountItems((long)count);
        return [.. Enumerable.Range(0, (int)count).Select(i => (object?)(start + (i * step)))];
    }

    private static TemplateMap Merge(CallArguments arguments, RenderBudget budget)
    {
        budget.Allocate(TemplateMap.Bytes);
        var result = new TemplateMap();
        foreach (var source in arguments.Positional)
        {
            if (source is TemplateMap map)
            {
                budget.CountItems(map.Count);
                foreach (var (key, value) in map) result.Add(key, value);
                continue;
            }

            foreach (var pair in Operators.ToList(source, budget))
            {
                if (pair is not IReadOnlyList<object?> { Count: 2 } items)
                {
                    throw new TemplateError($"{PythonText.TypeName(pair)} in {arguments.Callee}", "a pair");
                }
                budget.Hash(items[0]);
                result.Add(items[0], items[1]);
            }
        }

        foreach (var (name, value) in arguments.Named) result.Add(name, value);
        return result;
    }
}
