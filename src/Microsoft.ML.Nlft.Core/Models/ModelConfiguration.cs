namespace Microsoft.ML.Nlft.Models;

/// <summary>The architecture of a Llama-family decoder: every key of config.json that changes the forward pass.</summary>
public sealed record ModelConfiguration
{
    /// <summary>model_type: llama, mistral, qwen2 or qwen3.</summary>
    public required string ModelType { get; init; }

    /// <summary>V, the number of token ids.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>H, the width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the feed-forward layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int LayerCount { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Number of key/value heads; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Width of a head; even.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Most positions the model was made for (max_position_embeddings).</summary>
    public required int MaximumPositions { get; init; }

    /// <summary>Epsilon of RMSNorm.</summary>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>Rotary position settings.</summary>
    public RopeConfiguration Rope { get; init; } = new();

    /// <summary>Whether lm_head shares the embedding matrix.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>Whether q_proj, k_proj and v_proj have a bias (qwen2: always).</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether o_proj has a bias (llama's attention_bias).</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether gate_proj, up_proj and down_proj have a bias (mlp_bias).</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether queries and keys are normalised per head before RoPE (qwen3).</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>Per layer the sliding window in positions (a query sees itself and window - 1 before it), or 0 for full attention.</summary>
    public required IReadOnlyList<int> SlidingWindows { get; init; }

    /// <summary>Element type that config.json names (dtype or torch_dtype), for writing; null when it names none.</summary>
    public string? DataType { get; init; }

    /// <summary>End-of-sequence ids of config.json (one or several; may be empty).</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; init; } = [];
}

/// <summary>Rotary position embedding (rope_theta with rope_scaling, or rope_parameters): the frequencies and the factor on cos and sin.</summary>
public sealed record RopeConfiguration
{
    /// <summary>Base of the frequencies. Default 10000.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>default, linear, llama3 or yarn.</summary>
    public string Type { get; init; } = "default";

    /// <summary>Scaling factor of linear, llama3 and yarn.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>low_freq_factor of llama3.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>high_freq_factor of llama3.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>original_max_position_embeddings of llama3 and yarn.</summary>
    public int OriginalMaximumPositions { get; init; } = 8192;

    /// <summary>beta_fast of yarn.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>beta_slow of yarn.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>attention_factor of yarn; null: computed as 0.1 ln(factor) + 1.</summary>
    public double? AttentionFactor { get; init; }
}
