namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Rotary position embedding (rope_theta with rope_scaling, or rope_parameters): the frequencies and the factor on cos and sin.</summary>
public sealed record RopeConfiguration
{
    /// <summary>Base of the frequencies. Default 10000.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>Kind of scaling (rope_type): default (none), linear, dynamic, llama3 or yarn.</summary>
    public string Type { get; init; } = "default";

    /// <summary>Scaling factor of every type but default, 1 or more.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>low_freq_factor of llama3.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>high_freq_factor of llama3, above <see cref="LowFrequencyFactor"/>.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>original_max_position_embeddings of llama3 and yarn; max_position_embeddings of dynamic, whose frequencies change beyond.</summary>
    public int OriginalMaximumPositions { get; init; } = 8192;

    /// <summary>beta_fast of yarn.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>beta_slow of yarn.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>attention_factor of yarn, or the value derived from mscale and mscale_all_dim; null: 0.1 ln(factor) + 1.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>Whether yarn's ramp begins and ends at whole pairs (truncate). Default true.</summary>
    public bool Truncate { get; init; } = true;
}
