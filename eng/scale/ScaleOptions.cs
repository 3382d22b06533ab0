namespace Microsoft.ML.Nlft.Scale;

/// <summary>What is measured and where the page goes.</summary>
internal sealed record ScaleOptions
{
    /// <summary>Whether the small model alone is trained, and sums are timed less often.</summary>
    public bool Quick { get; init; }

    /// <summary>The page; null: docs/scale.md. Its plot goes to the folder images beside it.</summary>
    public string? Output { get; init; }

    /// <summary>Whether nothing is measured: the page is written again from what was kept.</summary>
    public bool PageOnly { get; init; }

    /// <summary>Reads the command line; null when there is anything else.</summary>
    public static ScaleOptions? Parse(IReadOnlyList<string> arguments)
    {
        var options = new ScaleOptions();
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == "--quick") options = options with { Quick = true };
            else if (arguments[i] == "--page") options = options with { PageOnly = true };
            else if (arguments[i] == "--output" && i + 1 < arguments.Count) options = options with { Output = arguments[++i] };
            else return null;
        }
        return options;
    }
}
