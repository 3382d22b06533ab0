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
            TieWordEmbeddings = true, RotatedLayers = true, EndOfSequenceIds = [128001], ClassName = "SmolLM3",
        },
        new()
        {
            Name = "olmo2", MaximumPositions = 2048, NormEpsilon = 1e-5, AttentionBias = AttentionBias.ByKey, QueryKeyNorm = true,
            Norms = NormPlacement.After, EndOfSequenceIds = [50279],
        },
        Gemma with
        {
            Name = "gemma2", MaximumPositions = 8192, FullLayerInterval = 2, AttentionSoftCap = 50, LogitsSoftCap = 30, HasAttentionSoftCap = true,
        },
        Gemma with
        {
            Name = "gemma3_text", ClassName = "Gemma3", MaximumPositions = 131072, Theta = 1000000, SlidingTheta = 10000, QueryKeyNorm = true,
            FullLayerInterval = 6, FullLayerIntervalKey = "sliding_window_pattern",
        },
    ];

    /// <summary>What the generations of Gemma have in common.</summary>
    private static ModelArchitecture Gemma => new()
    {
        Name = "gemma", MaximumPositions = 8192, KeyValueHeadCount = 4, HeadSize = 256, AttentionBias = AttentionBias.ByKey,
        Norms = NormPlacement.Both, NormKind = NormKind.RmsPlusOne, ActivationKey = "hidden_activation", Activation = Activation.GeluTanh,
        IsEmbeddingScaled = true, QueryScalar = 256, Windows = LayerWindows.ButEveryNthLayer, HasLogitsSoftCap = true, TieWordEmbeddings = true,
        EndOfSequenceIds = [1],
    };

    /// <summary>The supported model_types, for messages.</summary>
    public static string Names { get; } = $"{string.Join(", ", s_all[..^1].Select(architecture => architecture.Name))} or {s_all[^1].Name}";

    /// <summary>model_type.</summary>
    public required string Name { get; init; }

    /// <summary>The beginning of the names of its classes in transformers.</summary>
    public string ClassName { get => field ?? char.ToUpperInvariant(Name[0]) + Name[1..]; init; }

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

    /// <summary>rope_local_base_freq, if layers with a sliding window have rotary settings of their own; else null.</summary>
    public double? SlidingTheta { get; init; }

    /// <summary>Whether layers without RoPE exist (no_rope_layers, no_rope_layer_interval).</summary>
    public bool RotatedLayers { get; init; }

    /// <summary>Whether the multipliers of granite count.</summary>
    public bool Multipliers { get; init; }

    /// <summary>Where the norms of a layer stand.</summary>
    public NormPlacement Norms { get; init; }

    /// <summary>What a norm computes.</summary>
    public NormKind NormKind { get; init; }

    /// <summary>The key of the activation of the feed-forward network.</summary>
    public string ActivationKey { get; init; } = "hidden_act";

    /// <summary>That activation.</summary>
    public Activation Activation { get; init; }

    /// <summary>Whether embeddings are multiplied by sqrt(hidden_size).</summary>
    public bool IsEmbeddingScaled { get; init; }

    /// <summary>query_pre_attn_scalar, if the architecture has the key; else null.</summary>
    public double? QueryScalar { get; init; }

    /// <summary>Whether attn_logit_softcapping counts.</summary>
    public bool HasAttentionSoftCap { get; init; }

    /// <summary>attn_logit_softcapping.</summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>Whether final_logit_softcapping counts.</summary>
    public bool HasLogitsSoftCap { get; init; }

    /// <summary>final_logit_softcapping.</summary>
    public double? LogitsSoftCap { get; init; }

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

    /// <summary>N of <see cref="LayerWindows.ButEveryNthLayer"/>.</summary>
    public int FullLayerInterval { get; init; }

    /// <summary>The key that replaces <see cref="FullLayerInterval"/>; null if there is none.</summary>
    public string? FullLayerIntervalKey { get; init; }

    /// <summary>Returns the architecture of that model_type, or null if it is not supported.</summary>
    public static ModelArchitecture? Of(string name) => Array.Find(s_all, architecture => architecture.Name == name);
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

    /// <summary>All layers but every Nth: with N = 2 the first, the third and so on.</summary>
    ButEveryNthLayer,
}
