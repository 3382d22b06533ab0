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
            Name = "mixtral", MaximumPositions = 131072, KeyValueHeadCount = 8, NormEpsilon = 1e-5, Theta = 1000000,
            Windows = LayerWindows.InEveryLayer, Window = null,
            Experts = new() { Count = 8, PerToken = 2 }, Modules = new() { Experts = "block_sparse_moe", Expert = ("w1", "w3", "w2") },
        },
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
        new()
        {
            Name = "qwen3_moe", ClassName = "Qwen3Moe", MaximumPositions = 32768, KeyValueHeadCount = 4, QueryKeyNorm = true,
            AttentionBias = AttentionBias.ByKey, Windows = LayerWindows.InEveryLayerByKey, EndOfSequenceIds = [],
            Experts = new() { Count = 128, PerToken = 8, IntermediateSize = 768 },
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
            Modules = new()
            {
                AttentionNorm = null, AttentionOutputNorm = "post_attention_layernorm", FeedForwardNorm = null,
                FeedForwardOutputNorm = "post_feedforward_layernorm",
            },
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
        new()
        {
            Name = "phi3", MaximumPositions = 4096, OriginalMaximumPositions = 4096, NormEpsilon = 1e-5, PartialRotation = true, LongRopeNames = true,
            Windows = LayerWindows.InEveryLayer, Window = null, EndOfSequenceIds = [32000],
            QkvLayout = QkvLayout.Blocks, FeedForwardLayout = FeedForwardLayout.Fused,
            Modules = new() { Qkv = ["self_attn.qkv_proj"], GateUp = ["mlp.gate_up_proj"] },
        },
        new()
        {
            Name = "phi", MaximumPositions = 2048, NormKind = NormKind.Layer, NormEpsilon = 1e-5, PartialRotation = true, RotatedShare = 0.5,
            IsParallel = true, AttentionBias = AttentionBias.Always, FeedForwardBias = true, HeadBias = true,
            FeedForwardLayout = FeedForwardLayout.UpOnly, Activation = Activation.GeluTanh, Fixed = [("qk_layernorm", false)],
            Keys = new() { ["rms_norm_eps"] = "layer_norm_eps" },
            Modules = new()
            {
                FinalNorm = "model.final_layernorm", FeedForwardNorm = "input_layernorm", Output = "self_attn.dense", GateUp = ["mlp.fc1"],
                Down = "mlp.fc2",
            },
        },
        new()
        {
            Name = "gpt_neox", ClassName = "GPTNeoX", MaximumPositions = 2048, NormKind = NormKind.Layer, NormEpsilon = 1e-5, PartialRotation = true,
            RotatedShare = 0.25, IsParallel = true, ParallelByKey = true, GroupedHeads = false, AttentionBias = AttentionBias.ByKey,
            AttentionBiasDefault = true, FeedForwardBias = true, QkvLayout = QkvLayout.ByHead, FeedForwardLayout = FeedForwardLayout.UpOnly,
            Activation = Activation.Gelu,
            Keys = new()
            {
                ["rms_norm_eps"] = "layer_norm_eps", ["rope_theta"] = "rotary_emb_base", ["partial_rotary_factor"] = "rotary_pct",
            },
            Modules = new()
            {
                Embedding = "gpt_neox.embed_in", Layers = "gpt_neox.layers", FinalNorm = "gpt_neox.final_layer_norm", Head = "embed_out",
                Qkv = ["attention.query_key_value"], Output = "attention.dense", GateUp = ["mlp.dense_h_to_4h"], Down = "mlp.dense_4h_to_h",
            },
        },
        new()
        {
            Name = "gpt2", CausalClass = "GPT2LMHeadModel", MaximumPositions = 1024, NormKind = NormKind.Layer, NormEpsilon = 1e-5,
            LearnedPositions = true, GroupedHeads = false, AttentionBias = AttentionBias.Always, FeedForwardBias = true, TransposedWeights = true,
            QkvLayout = QkvLayout.Blocks, FeedForwardLayout = FeedForwardLayout.UpOnly, InnerFactor = 4, Activation = Activation.GeluTanh,
            ActivationKey = "activation_function", TieWordEmbeddings = true, EndOfSequenceIds = [50256],
            Fixed = [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("add_cross_attention", false)],
            Keys = new()
            {
                ["hidden_size"] = "n_embd", ["num_hidden_layers"] = "n_layer", ["num_attention_heads"] = "n_head", ["intermediate_size"] = "n_inner",
                ["max_position_embeddings"] = "n_positions", ["rms_norm_eps"] = "layer_norm_epsilon",
            },
            Modules = new()
            {
                Embedding = "transformer.wte", Positions = "transformer.wpe", Layers = "transformer.h", FinalNorm = "transformer.ln_f",
                AttentionNorm = "ln_1", FeedForwardNorm = "ln_2", Qkv = ["attn.c_attn"], Output = "attn.c_proj", GateUp = ["mlp.c_fc"],
                Down = "mlp.c_proj",
            },
        },
    ];

    /// <summary>What the generations of Gemma have in common.</summary>
    private static ModelArchitecture Gemma => new()
    {
        Name = "gemma", MaximumPositions = 8192, KeyValueHeadCount = 4, HeadSize = 256, AttentionBias = AttentionBias.ByKey,
        Norms = NormPlacement.Both, NormKind = NormKind.RmsPlusOne, ActivationKey = "hidden_activation", Activation = Activation.GeluTanh,
        IsEmbeddingScaled = true, QueryScalar = 256, Windows = LayerWindows.ButEveryNthLayer, HasLogitsSoftCap = true, TieWordEmbeddings = true,
        EndOfSequenceIds = [1], Modules = new()
        {
            AttentionOutputNorm = "post_attention_layernorm", FeedForwardNorm = "pre_feedforward_layernorm",
            FeedForwardOutputNorm = "post_feedforward_layernorm",
        },
    };

    /// <summary>The supported model_types, for messages.</summary>
    public static string Names { get; } = $"{string.Join(", ", s_all[..^1].Select(architecture => architecture.Name))} or {s_all[^1].Name}";

    /// <summary>model_type.</summary>
    public required string Name { get; init; }

    /// <summary>The beginning of the names of its classes in transformers.</summary>
    public string ClassName { get => field ?? char.ToUpperInvariant(Name[0]) + Name[1..]; init; }

    /// <summary>The name of its class for text generation.</summary>
    public string CausalClass { get => field ?? ClassName + "ForCausalLM"; init; }

    /// <summary>Its own names of keys that most architectures call otherwise.</summary>
    public Dictionary<string, string> Keys { get; init; } = [];

    /// <summary>Keys that must have one value or be missing.</summary>
    public IReadOnlyList<(string Key, bool Value)> Fixed { get; init; } = [];

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

    /// <summary>partial_rotary_factor.</summary>
    public double RotatedShare { get; init; } = 1;

    /// <summary>Whether "su" and "yarn" are old names of longrope.</summary>
    public bool LongRopeNames { get; init; }

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

    /// <summary>The experts that replace feed-forward networks; null: none.</summary>
    public ExpertArchitecture? Experts { get; init; }

    /// <summary>sliding_window.</summary>
    public int? Window { get; init; } = 4096;

    /// <summary>
    /// Whether query heads may share keys and values (num_key_value_heads), and a head's width be another than hidden_size / heads.
    /// </summary>
    public bool GroupedHeads { get; init; } = true;

    /// <summary>Whether positions have embeddings, which are learned, rather than a rotation.</summary>
    public bool LearnedPositions { get; init; }

    /// <summary>Whether attention and feed-forward network read the same residual stream, rather than one after the other.</summary>
    public bool IsParallel { get; init; }

    /// <summary>Whether use_parallel_residual may say otherwise.</summary>
    public bool ParallelByKey { get; init; }

    /// <summary>intermediate_size as a multiple of hidden_size; null: the key must be there.</summary>
    public int? InnerFactor { get; init; }

    /// <summary>attention_bias.</summary>
    public bool AttentionBiasDefault { get; init; }

    /// <summary>Whether the feed-forward network always has biases.</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>Whether the output layer has a bias.</summary>
    public bool HeadBias { get; init; }

    /// <summary>Whether the matrices of linear layers are stored input by output.</summary>
    public bool TransposedWeights { get; init; }

    /// <summary>Whether the feed-forward network has a gate, and whether one projection gives both.</summary>
    public FeedForwardLayout FeedForwardLayout { get; init; }

    /// <summary>How queries, keys and values lie in the output of their projections.</summary>
    public QkvLayout QkvLayout { get; init; }

    /// <summary>The names of the modules.</summary>
    public ModuleNames Modules { get; init; } = new();

    /// <summary>N of <see cref="LayerWindows.ButEveryNthLayer"/>.</summary>
    public int FullLayerInterval { get; init; }

    /// <summary>The key that replaces <see cref="FullLayerInterval"/>; null if there is none.</summary>
    public string? FullLayerIntervalKey { get; init; }

    /// <summary>Returns the architecture of that model_type, or null if it is not supported.</summary>
    public static ModelArchitecture? Of(string name) => Array.Find(s_all, architecture => architecture.Name == name);

    /// <summary>Returns its own name of a key.</summary>
    public string Key(string key) => Keys.GetValueOrDefault(key, key);

    /// <summary>Whether a path is that of a linear layer of a decoder layer of any architecture.</summary>
    public static bool IsLinear(string module) => Array.Exists(s_all, architecture => architecture.Modules.IsLinear(module));

    /// <summary>Whether a path is that of the embedding in any architecture.</summary>
    public static bool IsEmbedding(string module) => Array.Exists(s_all, architecture => architecture.Modules.Embedding == module);

    /// <summary>Whether a path is that of the output layer in any architecture.</summary>
    public static bool IsHead(string module) => Array.Exists(s_all, architecture => architecture.Modules.Head == module);

    /// <summary>Whether a name is the end of such a path.</summary>
    public static bool IsEndName(string name) => Array.Exists(s_all, architecture =>
        $".{architecture.Modules.Embedding}".EndsWith($".{name}", StringComparison.Ordinal) || architecture.Modules.Head == name);
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

    /// <summary>All, always.</summary>
    Always,
}

/// <summary>Which layers have a sliding window.</summary>
internal enum LayerWindows
{
    /// <summary>None.</summary>
    None,

    /// <summary>All layers, unless sliding_window is null.</summary>
    InEveryLayer,

    /// <summary>With use_sliding_window, all layers.</summary>
    InEveryLayerByKey,

    /// <summary>With use_sliding_window, the layers from max_window_layers on.</summary>
    FromALayerOn,

    /// <summary>All layers but every Nth: with N = 2 the first, the third and so on.</summary>
    ButEveryNthLayer,
}

/// <summary>What a missing key of experts stands for.</summary>
internal sealed record ExpertArchitecture
{
    /// <summary>num_local_experts, or num_experts.</summary>
    public required int Count { get; init; }

    /// <summary>num_experts_per_tok.</summary>
    public required int PerToken { get; init; }

    /// <summary>
    /// moe_intermediate_size; null: experts are as wide as intermediate_size, their weights always add up to 1, and every layer has experts.
    /// </summary>
    public int? IntermediateSize { get; init; }
}
