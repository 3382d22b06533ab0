namespace Microsoft.ML.Nlft.Scale;

/// <summary>What to measure and where to write the page.</summary>
internal sealed record ScaleOptions
{
    /// <summary>Whether to train the small model only.</summary>
    public bool Quick { get; init; }

    /// <summary>The page; null: docs/scale.md. Its plot is written to the folder images beside it.</summary>
    public string? Output { get; init; }

    /// <summary>Whether to measure nothing and write the page again from the last measurements.</summary>
    public bool PageOnly { get; init; }
}
