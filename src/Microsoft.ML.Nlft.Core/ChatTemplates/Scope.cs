namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Holds the names of a block. For, macro, generation and set blocks have their own scope and see the surrounding ones.</summary>
internal sealed class Scope(Scope? parent)
{
    private readonly Dictionary<string, object?> _names = new(StringComparer.Ordinal);

    /// <summary>Size of a scope with its first names.</summary>
    public const int Bytes = 256;

    public object? this[string name]
    {
        set => _names[name] = value;
    }

    /// <summary>Looks a name up in this scope and the surrounding ones; counts the hash of the name in each.</summary>
    public object? Get(string name, RenderBudget budget)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
        {
            budget.Touch(name.Length);
            if (scope._names.TryGetValue(name, out var value)) return value;
        }

        return new Undefined($"'{name}' is undefined");
    }

    /// <summary>Creates a scope inside this one.</summary>
    public Scope Inner(RenderBudget budget)
    {
        budget.Allocate(Bytes);
        return new(this);
    }

    private Scope? Parent { get; } = parent;
}
