namespace Microsoft.ML.Nlft.Study;

/// <summary>The size of a study.</summary>
internal sealed record StudyOptions
{
    /// <summary>The seeds per cell, for drawn rows, adapter, order and dropout. Default 5.</summary>
    public int Seeds { get; init; } = 5;

    /// <summary>The numbers of rows.</summary>
    public IReadOnlyList<int> Rows { get; init; } = [10, 25, 50, 100, 200];

    /// <summary>The families. Default empty: all.</summary>
    public IReadOnlyList<string> Families { get; init; } = [];

    /// <summary>The learning rates to search.</summary>
    public IReadOnlyList<double> Rates { get; init; } = [3e-4, 1e-3, 3e-3, 1e-2];

    /// <summary>Whether to compare variants of NLFT instead of methods.</summary>
    public bool Variants { get; init; }

    /// <summary>Whether to compare early stopping with the best epoch instead of methods.</summary>
    public bool EarlyStopping { get; init; }

    /// <summary>Whether to set NLFT beside reinforced fine-tuning instead of comparing methods.</summary>
    public bool Reinforced { get; init; }

    /// <summary>Whether to compare methods on the same information.</summary>
    public bool Informed { get; init; }

    /// <summary>Whether to compare methods with a real model.</summary>
    public bool Real { get; init; }

    /// <summary>The real model; null: the one among the shared data.</summary>
    public string? Model { get; init; }

    /// <summary>The page; null: docs/study.md, docs/study-variants.md, docs/study-informed.md or docs/study-real.md.</summary>
    public string? Output { get; init; }

    /// <summary>The command line, for the page.</summary>
    public string CommandLine { get; init; } = "";
}
