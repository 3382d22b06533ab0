namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// What a model_type fixes, and what a key that config.json lacks stands for: the defaults of the class of that name in transformers.
/// </summary>
internal sealed record ModelArchitecture
{
    private static readonly ModelArchitecture[] s_all =
    [
        new() { Name = "llama", MaximumPositions = 2048, AttentionBias = AttentionBias.ByKey, MlpBias = true },
        new() { Name = "mistral", MaximumPositions = 131072, KeyValueHeadCount = 8, Windows = LayerWindows.InEveryLayer },
        new()
        {
            Name = "qwen2", MaximumPositions = 32768, KeyValueHeadCount = 32, AttentionBias = AttentionBias.OfQkv,
            Windows = LayerWindows.FromALayerOn, EndOfSequenceIds = [],
        },
        new()
        {
            Name = "qwen3", MaximumPositions = 32768, KeyValueHeadCount = 32, HeadSize = 128, QueryKeyNorm = true,
            AttentionBias = AttentionBias.ByKey, Windows = LayerWindows.FromALayerOn, EndOfSequenceIds = [],
        },
        new() { Name = "granite", MaximumPositions = 2048, AttentionBias = AttentionBias.ByKey, MlpBias = true, Multipliers = true },
        new()
        {
            Name = "smollm3", MaximumPositions = 32768, KeyValueHeadCount = 4, Theta = 2000000, AttentionBias = AttentionBias.ByKey, MlpBias = true,
            TieWordEmbeddings = true, RotatedLayers = true, EndOfSequenceIds = [128001],
        },
        new()
        {
            Name = "olmo2", MaximumPositions = 2048, NormEpsilon = 1e-5, AttentionBias = AttentionBias.ByKey, QueryKeyNorm = true, NormAfter = true,
            EndOfSequenceIds = [50279], Modules = new() { AttentionNorm = "post_attention_layernorm", FeedForwardNorm = "post_feedforward_layernorm" },
        },
        new()
        {
            Name = "phi3", MaximumPositions = 4096, OriginalMaximumPositions = 4096, NormEpsilon = 1e-5, PartialRotation = true, LongRopeNames = true,
            Windows = LayerWindows.InEveryLayer, Window = null, EndOfSequenceIds = [32000],
            QkvLayout = QkvLayout.Blocks, Modules = new() { Qkv = ["self_attn.qkv_proj"], GateUp = ["mlp.gate_up_proj"] },
        },
    ];

    /// <summary>The names of all architectures, as a sentence has them.</summary>
    public static string Names { get; } = string.Join(", ", s_all[..^1].Select(architecture => architecture.Name)) + " or " + s_all[^1].Name;

    /// <summary>model_type.</summary>
    public required string Name { get; init; }

    /// <summary>The beginning of the names of its classes in transformers.</summary>
    public string ClassName => Name == "smollm3" ? "SmolLM3" : char.ToUpperInvariant(Name[0]) + Name[1..];

    /// <summary>max_position_embeddings.</summary>
    public required int MaximumPositions { get; init; }

    /// <summary>num_key_value_heads; null: as many as query heads.</summary>
    public int? KeyValueHeadCount { get; init; }

    /// <summary>head_dim; null: hidden_size / num_attention_heads.</summary>
    public int? HeadSize { get; init; }

    /// <summary>rms_norm_eps.</summary>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>rope_theta.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>original_max_position_embeddings; null: max_position_embeddings.</summary>
    public int? OriginalMaximumPositions { get; init; }

    /// <summary>Whether partial_rotary_factor counts.</summary>
    public bool PartialRotation { get; init; }

    /// <summary>Whether "su" and "yarn" are old names of longrope.</summary>
    public bool LongRopeNames { get; init; }

    /// <summary>Whether layers without RoPE exist (no_rope_layers, no_rope_layer_interval).</summary>
    public bool RotatedLayers { get; init; }

    /// <summary>Whether the multipliers of granite count.</summary>
    public bool Multipliers { get; init; }

    /// <summary>Whether norms follow attention and feed-forward.</summary>
    public bool NormAfter { get; init; }

    /// <summary>tie_word_embeddings.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>eos_token_id.</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; init; } = [2];

    /// <summary>Which projections of attention have biases.</summary>
    public AttentionBias AttentionBias { get; init; }

    /// <summary>Whether mlp_bias counts.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether queries and keys are normalised.</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>Which layers may have a sliding window.</summary>
    public LayerWindows Windows { get; init; }

    /// <summary>sliding_window.</summary>
    public int? Window { get; init; } = 4096;

    /// <summary>How queries, keys and values lie in the output of their projections.</summary>
    public QkvLayout QkvLayout { get; init; }

    /// <summary>The names of the modules.</summary>
    public ModuleNames Modules { get; init; } = new();

    /// <summary>Returns the architecture of that model_type, or null if it is not supported.</summary>
    public static ModelArchitecture? Of(string name) => Array.Find(s_all, architecture => architecture.Name == name);

    /// <summary>Whether a path is that of a linear layer of a decoder layer of any architecture.</summary>
    public static bool IsLinear(string module) => Array.Exists(s_all, architecture => architecture.Modules.IsLinear(module));
}

/// <summary>Which projections of attention have biases.</summary>
internal enum AttentionBias
{
    /// <summary>None.</summary>
    None,

    /// <summary>All four, if attention_bias says so.</summary>
    ByKey,

    /// <summary>Queries, keys and values, always.</summary>
    OfQkv,
}

/// <summary>Which layers have a sliding window.</summary>
internal enum LayerWindows
{
    /// <summary>None.</summary>
    None,

    /// <summary>All layers, unless sliding_window is null.</summary>
    InEveryLayer,

    /// <summary>With use_sliding_window, the layers from max_window_layers on.</summary>
    FromALayerOn,
}
