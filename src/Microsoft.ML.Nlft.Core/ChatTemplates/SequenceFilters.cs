namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The filters of lists and mappings, and default.</summary>
internal static class SequenceFilters
{
    public static IReadOnlyDictionary<string, Filter> All { get; } = new Dictionary<string, Filter>
    {
        ["default"] = Default,
        ["d"] = Default,
        ["length"] = Length,
        ["count"] = Length,
        ["first"] = First,
        ["last"] = Last,
        ["list"] = (value, a, budget) => a.Bind() is var _ ? Operators.ToList(value, budget) : null,
        ["items"] = Items,
        ["join"] = Join,
        ["reverse"] = Reverse,
        ["sort"] = (value, a, budget) => Sort(value, a.Bind("reverse", "case_sensitive", "attribute"), budget),
        ["dictsort"] = DictSort,
        ["unique"] = Unique,
        ["min"] = (value, a, budget) => Extreme(value, a, budget, -1),
        ["max"] = (value, a, budget) => Extreme(value, a, budget, 1),
        ["attr"] = (value, a, budget) => Members.Method(value, a.Bind("name").Text("name"), budget),
        ["map"] = Map,
        ["select"] = (value, a, budget) => Choose(value, a, budget, wanted: true, byAttribute: false),
        ["reject"] = (value, a, budget) => Choose(value, a, budget, wanted: false, byAttribute: false),
        ["selectattr"] = (value, a, budget) => Choose(value, a, budget, wanted: true, byAttribute: true),
        ["rejectattr"] = (value, a, budget) => Choose(value, a, budget, wanted: false, byAttribute: true),
    };

    private static object? Default(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind("default_value", "boolean");
        var replace = value is Undefined || (arguments.Flag("boolean") && !Operators.IsTrue(value));
        return replace ? arguments.Get("default_value", "") : value;
    }

    private static object? Length(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind();
        return value switch
        {
            Undefined => 0L,
            string text => (long)PythonText.Length(text, budget),
            IReadOnlyList<object?> list => (long)list.Count,
            TemplateMap map => (long)map.Count,
            _ => throw new TemplateError($"{PythonText.TypeName(value)}, which has no length", "a string, a list or a mapping"),
        };
    }

    private static object? First(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind();
        return Operators.Iterate(value, budget).DefaultIfEmpty(new Undefined("No first item, sequence was empty.")).First();
    }

    private static object? Last(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind();
        if (value is TemplateGenerator) throw new TemplateError("a generator, which has no last item", "a list: put |list before |last");
        return Operators.Iterate(value, budget).DefaultIfEmpty(new Undefined("No last item, sequence was empty.")).Last();
    }

    private static object? Items(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind();
        return value switch
        {
            Undefined => new TemplateGenerator([]),
            TemplateMap map => new TemplateGenerator(Members.Items(map, budget)),
            _ => throw new TemplateError($"{PythonText.TypeName(value)} for items", "a mapping"),
        };
    }

    private static object? Join(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind("d", "attribute");
        var items = Operators.ToList(value, budget).Select(AttributeOf(arguments.Get("attribute", null), budget));
        var separator = PythonText.Of(arguments.Get("d", ""), budget);
        return StringMethods.Concatenate(items.Select(item => PythonText.Of(item, budget)).ToList(), separator, budget);
    }

    private static object? Reverse(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind();
        var items = Operators.ToList(value, budget);
        items.Reverse();
        return value is string ? StringMethods.Concatenate(items.ConvertAll(item => (string)item!), "", budget) : new TemplateGenerator(items);
    }

    private static List<object?> Sort(object? value, CallArguments arguments, RenderBudget budget)
    {
        var items = Operators.ToList(value, budget);
        var ignoreCase = !arguments.Flag("case_sensitive");
        var attribute = arguments.Get("attribute", null);
        budget.Hash(attribute);
        object?[] attributes = attribute is string several ? several.Split(',') : [attribute];
        var keys = attributes.Select(each => AttributeOf(each, budget)).ToArray();
        return SortBy(items, Key, arguments.Flag("reverse"), budget);

        object? Key(object? item) => new TemplateTuple([.. keys.Select(key => FoldCase(key(item), ignoreCase, budget))]);
    }

    private static object? DictSort(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind("case_sensitive", "by", "reverse");
        var pairs = value is TemplateMap map ? Members.Items(map, budget)
            : throw new TemplateError($"{PythonText.TypeName(value)} for dictsort", "a mapping");
        var index = arguments.Text("by", "key") switch
        {
            "key" => 0,
            "value" => 1,
            var by => throw new TemplateError($"dictsort by '{by}'", "key or value"),
        };
        var ignoreCase = !arguments.Flag("case_sensitive");
        return SortBy(pairs, pair => FoldCase(((TemplateTuple)pair!)[index], ignoreCase, budget), arguments.Flag("reverse"), budget);
    }

    /// <summary>Sorts stably; equal items keep their order in reverse, too.</summary>
    private static List<object?> SortBy(List<object?> items, Func<object?, object?> key, bool reverse, RenderBudget budget)
    {
        budget.CountItems(items.Count);
        var order = Comparer<object?>.Create((a, b) => Operators.Compare("<", a, b, budget) ?? 0);
        try
        {
            return [.. reverse ? items.OrderByDescending(key, order) : items.OrderBy(key, order)];
        }
        catch (InvalidOperationException exception) when (exception.InnerException is TemplateError error)
        {
            throw error;
        }
    }

    private static object? Unique(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind("case_sensitive", "attribute");
        var ignoreCase = !arguments.Flag("case_sensitive");
        var key = AttributeOf(arguments.Get("attribute", null), budget);
        var seen = new TemplateMap();
        var result = new List<object?>();
        foreach (var item in Operators.ToList(value, budget))
        {
            var folded = FoldCase(key(item), ignoreCase, budget);
            budget.Hash(folded);
            if (seen.TryGetValue(folded, out _)) continue;
            seen.Add(folded, null);
            result.Add(item);
        }

        return new TemplateGenerator(result);
    }

    private static object? Extreme(object? value, CallArguments arguments, RenderBudget budget, int sign)
    {
        arguments.Bind("case_sensitive", "attribute");
        var ignoreCase = !arguments.Flag("case_sensitive");
        var key = AttributeOf(arguments.Get("attribute", null), budget);
        var items = Operators.ToList(value, budget);
        if (items.Count == 0) return new Undefined("No aggregated item, sequence was empty.");
        var comparison = sign < 0 ? "<" : ">";
        return items.Aggregate((best, item) => Operators.Compare(comparison, Folded(item), Folded(best), budget) * sign > 0 ? item : best);

        object? Folded(object? item) => FoldCase(key(item), ignoreCase, budget);
    }

    private static object? Map(object? value, CallArguments arguments, RenderBudget budget)
    {
        Func<object?, object?> change;
        if (arguments.Positional.Count == 0 && arguments.Named.ContainsKey("attribute"))
        {
            var attribute = AttributeOf(arguments.Bind("attribute", "default").Get("attribute"), budget);
            change = item => attribute(item) is var found && found is Undefined && arguments.TryGet("default", out var fallback) ? fallback : found;
        }
        else if (arguments.Positional is [string name, ..])
        {
            change = item => Filters.Apply(name, item, arguments.Skip(1, name), budget);
        }
        else
        {
            throw new TemplateError("map without the name of a filter", "a filter or attribute=...");
        }

        return new TemplateGenerator(Operators.IsTrue(value) ? Operators.ToList(value, budget).ConvertAll(item => change(item)) : []);
    }

    private static object? Choose(object? value, CallArguments arguments, RenderBudget budget, bool wanted, bool byAttribute)
    {
        if (byAttribute && arguments.Positional.Count == 0) throw new TemplateError($"{arguments.Callee} without an attribute", "the name of one");
        var key = AttributeOf(byAttribute ? arguments.Positional[0] : null, budget);
        var offset = byAttribute ? 1 : 0;
        Func<object?, bool> test = arguments.Positional.Count <= offset
            ? Operators.IsTrue
            : item => Tests.Apply(PythonText.Of(arguments.Positional[offset], budget), item, arguments.Skip(offset + 1, arguments.Callee), budget);
        return new TemplateGenerator(Operators.IsTrue(value) ? Operators.ToList(value, budget).FindAll(item => test(key(item)) == wanted) : []);
    }

    /// <summary>Returns a getter of an attribute or a dotted path of attributes (integers are indices); null gives the item itself.</summary>
    public static Func<object?, object?> AttributeOf(object? attribute, RenderBudget budget)
    {
        if (attribute is null) return item => item;
        budget.Hash(attribute);
        object?[] path = attribute is string text
            ? [.. text.Split('.').Select(part => long.TryParse(part, out var index) ? (object)index : part)]
            : [attribute];
        return item =>
        {
            budget.Step(path.Length);
            return path.Aggregate(item, (found, part) => Members.Item(found, part, budget));
        };
    }

    private static object? FoldCase(object? value, bool ignoreCase, RenderBudget budget) =>
        ignoreCase && value is string text ? StringMethods.Lower(text, budget) : value;
}
