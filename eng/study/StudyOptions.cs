namespace Microsoft.ML.Nlft.Study;

/// <summary>The size of a study.</summary>
internal sealed record StudyOptions
{
    /// <summary>Seeds of every cell: rows drawn, adapter, order, dropout.</summary>
    public int Seeds { get; init; } = 5;

    /// <summary>Numbers of rows.</summary>
    public IReadOnlyList<int> Rows { get; init; } = [10, 25, 50, 100, 200];

    /// <summary>Families; empty: all.</summary>
    public IReadOnlyList<string> Families { get; init; } = [];

    /// <summary>The learning rates that every method is tried with.</summary>
    public IReadOnlyList<double> Rates { get; init; } = [3e-4, 1e-3, 3e-3, 1e-2];

    /// <summary>Whether variants of NLFT are compared instead of methods.</summary>
    public bool Variants { get; init; }

    /// <summary>The page; null: docs/study.md, or docs/study-variants.md.</summary>
    public string? Output { get; init; }

    /// <summary>The arguments as they were given.</summary>
    public string CommandLine { get; init; } = "";
}
