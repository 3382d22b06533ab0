using System.Collections.Frozen;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Looks up and applies the tests of <c>is</c>.</summary>
internal static class Tests
{
    private delegate bool Test(object? value, CallArguments arguments, RenderBudget budget);

    private static readonly FrozenDictionary<string, Test> All = new Dictionary<string, Test>
    {
        ["defined"] = Simple(value => value is not Undefined),
        ["undefined"] = Simple(value => value is Undefined),
        ["none"] = Simple(value => value is null),
        ["boolean"] = Simple(value => value is bool),
        ["true"] = Simple(value => value is true),
        ["false"] = Simple(value => value is false),
        ["integer"] = Simple(value => value is long),
        ["float"] = Simple(value => value is double),
        ["number"] = Simple(value => value is bool or long or double),
        ["string"] = Simple(value => value is string),
        ["mapping"] = Simple(value => value is TemplateMap),
        ["sequence"] = Simple(value => value is string or IReadOnlyList<object?> or TemplateMap or Undefined),
        ["iterable"] = Simple(value => value is string or IReadOnlyList<object?> or TemplateMap or TemplateGenerator or Undefined or LoopState),
        ["callable"] = Simple(value => value is TemplateCallable or Undefined or LoopState),
        ["lower"] = (value, a, budget) => Cased(value, "islower", a, budget),
        ["upper"] = (value, a, budget) => Cased(value, "isupper", a, budget),
        ["odd"] = (value, a, budget) => Remainder(value, 2L, a.Bind(), budget) is 1L or 1.0,
        ["even"] = (value, a, budget) => Remainder(value, 2L, a.Bind(), budget) is 0L or 0.0,
        ["divisibleby"] = (value, a, budget) => Remainder(value, a.Bind("num").Get("num"), a, budget) is 0L or 0.0,
        ["sameas"] = (value, a, budget) => IsSame(value, a.Bind("other").Get("other"), budget),
        ["in"] = (value, a, budget) => Operators.Contains(a.Bind("seq").Get("seq"), value, budget),
        ["filter"] = (value, a, _) => value is string name && Filters.Exists(name),
        ["test"] = (value, a, _) => value is string name && Exists(name),
        ["escaped"] = Simple(_ => false),
        ["equalto"] = Compared("=="), ["eq"] = Compared("=="), ["=="] = Compared("=="),
        ["ne"] = Compared("!="), ["!="] = Compared("!="),
        ["lessthan"] = Compared("<"), ["lt"] = Compared("<"), ["<"] = Compared("<"),
        ["le"] = Compared("<="), ["<="] = Compared("<="),
        ["greaterthan"] = Compared(">"), ["gt"] = Compared(">"), [">"] = Compared(">"),
        ["ge"] = Compared(">="), [">="] = Compared(">="),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static bool Exists(string name) => All.ContainsKey(name);

    /// <summary>Applies a test, one level deeper.</summary>
    public static bool Apply(string name, object? value, CallArguments arguments, RenderBudget budget)
    {
        if (!All.TryGetValue(name, out var test))
        {
            throw new TemplateError($"the test '{name}'", $"one of {string.Join(", ", All.Keys.Order(StringComparer.Ordinal))}");
        }

        budget.Step();
        budget.Enter();
        var result = test(value, arguments, budget);
        budget.Leave();
        return result;
    }

    private static Test Simple(Func<object?, bool> test) => (value, arguments, _) => arguments.Bind() is var _ && test(value);

    private static Test Compared(string sign) =>
        (value, arguments, budget) => Operators.Holds(sign, value, arguments.Bind("other").Get("other"), budget);

    private static bool Cased(object? value, string method, CallArguments arguments, RenderBudget budget) =>
        arguments.Bind() is var _ && StringMethods.Find(PythonText.Of(value, budget), method, budget)!.Call(new CallArguments(method, [])) is true;

    private static object? Remainder(object? value, object? divisor, CallArguments arguments, RenderBudget budget) => value is string
        ? throw new TemplateError($"a string for {arguments.Callee}", "a number")
        : Operators.Arithmetic("%", value, divisor, budget);

    private static bool IsSame(object? value, object? other, RenderBudget budget) => value switch
    {
        string text => other is string && Operators.AreEqual(text, other, budget),
        null or bool or long => Equals(value, other),
        _ => ReferenceEquals(value, other),
    };
}
