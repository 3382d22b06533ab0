namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Rotary position embedding (rope_theta with rope_scaling, or rope_parameters): the frequencies and the factor on cos and sin.</summary>
public sealed record RopeConfiguration
{
    /// <summary>Base of the frequencies. Default 10000.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>Kind of scaling (rope_type): default (none), linear, dynamic, llama3, yarn or longrope.</summary>
    public string Type { get; init; } = "default";

    /// <summary>
    /// The share of a head's width that is rotated, its first values (partial_rotary_factor), above 0 and at most 1. Default 1.
    /// </summary>
    public double RotatedShare { get; init; } = 1;

    /// <summary>Scaling factor of every type but default, 1 or more; of longrope, what its attention_factor is derived from.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>low_freq_factor of llama3.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>high_freq_factor of llama3, above <see cref="LowFrequencyFactor"/>.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>
    /// original_max_position_embeddings of llama3, yarn and longrope; max_position_embeddings of dynamic. The frequencies of longrope and dynamic
    /// change beyond.
    /// </summary>
    public int OriginalMaximumPositions { get; init; } = 8192;

    /// <summary>beta_fast of yarn.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>beta_slow of yarn.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>
    /// attention_factor of yarn and longrope, or the value that yarn derives from mscale and mscale_all_dim; null: 0.1 ln(factor) + 1 for yarn,
    /// sqrt(1 + ln(factor) / ln(original_max_position_embeddings)) for longrope.
    /// </summary>
    public double? AttentionFactor { get; init; }

    /// <summary>Whether yarn's ramp begins and ends at whole pairs (truncate). Default true.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>What longrope divides the frequencies of short sequences by, one value per pair (short_factor).</summary>
    public IReadOnlyList<double> ShortFactors { get; init; } = [];

    /// <summary>What longrope divides the frequencies of longer sequences by (long_factor).</summary>
    public IReadOnlyList<double> LongFactors { get; init; } = [];

    /// <summary>Returns how many values of a head are rotated; even.</summary>
    /// <param name="headSize">The width of a head.</param>
    public int RotatedSize(int headSize) => (int)(headSize * RotatedShare);
}
