using System.Diagnostics.CodeAnalysis;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The arguments of a call, filter or test; <see cref="Bind"/> matches them to parameters.</summary>
/// <param name="callee">Name of the callee in messages.</param>
/// <param name="positional">Positional arguments.</param>
/// <param name="named">Named arguments; default none.</param>
internal sealed class CallArguments(string callee, IReadOnlyList<object?> positional, IReadOnlyDictionary<string, object?>? named = null)
{
    private static readonly Dictionary<string, object?> NoNames = [];

    private readonly Dictionary<string, object?> _bound = new(StringComparer.Ordinal);

    public string Callee { get; } = callee;

    public IReadOnlyList<object?> Positional { get; } = positional;

    public IReadOnlyDictionary<string, object?> Named { get; } = named ?? NoNames;

    /// <summary>Returns the arguments without the first positional ones, for another callee.</summary>
    public CallArguments Skip(int count, string callee) => new(callee, [.. Positional.Skip(count)], Named);

    /// <summary>Matches the arguments to parameters.</summary>
    /// <exception cref="TemplateError">An argument matches no parameter, or is given twice.</exception>
    public CallArguments Bind(params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
        {
            throw new TemplateError($"{Positional.Count} arguments of {Callee}", parameters.Length == 0 ? "none" : $"at most {parameters.Length}");
        }

        for (var i = 0; i < Positional.Count; i++) _bound[parameters[i]] = Positional[i];
        var known = Named.Count > 0 && parameters.Length > 8 ? new HashSet<string>(parameters.ToArray(), StringComparer.Ordinal) : null;
        foreach (var (name, value) in Named)
        {
            var fits = known?.Contains(name) ?? parameters.Contains(name);
            if (!fits) throw new TemplateError($"the argument {name} of {Callee}", Expected(parameters));
            if (!_bound.TryAdd(name, value)) throw new TemplateError($"the argument {name} of {Callee} twice", "it once");
        }

        return this;

        static string Expected(ReadOnlySpan<string> parameters) => parameters.Length == 0 ? "no argument" : string.Join(", ", parameters.ToArray());
    }

    public bool TryGet(string name, out object? value) => _bound.TryGetValue(name, out value);

    public object? Get(string name) =>
        _bound.TryGetValue(name, out var value) ? value : throw new TemplateError($"no argument {name} of {Callee}", "it to be given");

    public object? Get(string name, object? fallback) => _bound.GetValueOrDefault(name, fallback);

    public string Text(string name) => AsText(name, Get(name));

    [return: NotNullIfNotNull(nameof(fallback))]
    public string? Text(string name, string? fallback) =>
        _bound.TryGetValue(name, out var value) && value is not null ? AsText(name, value) : fallback;

    public bool Flag(string name, bool fallback = false) => _bound.TryGetValue(name, out var value) ? Operators.IsTrue(value) : fallback;

    public long Integer(string name, long fallback) => _bound.TryGetValue(name, out var value) ? AsInteger(name, value) : fallback;

    public long? IntegerOrNone(string name) => _bound.TryGetValue(name, out var value) && value is not null ? AsInteger(name, value) : null;

    private string AsText(string name, object? value) =>
        value as string ?? throw new TemplateError($"{PythonText.TypeName(value)} as {name} of {Callee}", "a string");

    private long AsInteger(string name, object? value) => value switch
    {
        long i => i,
        bool b => b ? 1 : 0,
        _ => throw new TemplateError($"{PythonText.TypeName(value)} as {name} of {Callee}", "an integer"),
    };
}
