namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Holds the names of a block. For, macro, generation and set blocks have their own scope and see the surrounding ones.</summary>
internal sealed class Scope(Scope? parent)
{
    private readonly Dictionary<string, object?> _names = new(StringComparer.Ordinal);

    public object? this[string name]
    {
        get
        {
            for (var scope = this; scope is not null; scope = scope.Parent)
            {
                if (scope._names.TryGetValue(name, out var value)) return value;
            }

            return new Undefined($"'{name}' is undefined");
        }
        set => _names[name] = value;
    }

    private Scope? Parent { get; } = parent;
}
