namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The architecture of a decoder: every key of config.json that changes the forward pass.</summary>
public sealed record ModelConfiguration
{
    /// <summary>Architecture (model_type), for example llama, qwen3 or gemma3_text.</summary>
    public required string ModelType { get; init; }

    /// <summary>V, the number of token ids.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>H, the width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the feed-forward layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>The experts of a model in which they replace the feed-forward network of layers (mixtral, qwen3_moe); null (default): none.</summary>
    public ExpertConfiguration? Experts { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int LayerCount { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Number of key/value heads; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Width of a head; even.</summary>
    public required int HeadSize { get; init; }

    /// <summary>
    /// The most positions that the model supports: max_position_embeddings, times the factor of dynamic rotary scaling.
    /// </summary>
    public required int MaximumPositions { get; init; }

    /// <summary>Epsilon of RMSNorm.</summary>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>Rotary position settings.</summary>
    public RopeConfiguration Rope { get; init; } = new();

    /// <summary>Rotary position settings of the layers with a sliding window (gemma3_text); null (default): <see cref="Rope"/>.</summary>
    public RopeConfiguration? SlidingRope { get; init; }

    /// <summary>Per layer whether it rotates queries and keys (no_rope_layers of smollm3, where 1 means yes); null (default): all do.</summary>
    public IReadOnlyList<bool>? RotatedLayers { get; init; }

    /// <summary>Factor on the embeddings (embedding_multiplier of granite; sqrt(<see cref="HiddenSize"/>) in gemma). Default 1.</summary>
    public double EmbeddingMultiplier { get; init; } = 1;

    /// <summary>
    /// Factor on the scores of attention (attention_multiplier of granite, 1 / sqrt(query_pre_attn_scalar) of gemma); null (default):
    /// 1 / sqrt(<see cref="HeadSize"/>).
    /// </summary>
    public double? AttentionMultiplier { get; init; }

    /// <summary>
    /// c of the soft cap on the scores of attention (attn_logit_softcapping of gemma2), which become c tanh(score / c); null (default): no cap.
    /// </summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>Factor on what attention and feed-forward add to the residual stream (residual_multiplier of granite). Default 1.</summary>
    public double ResidualMultiplier { get; init; } = 1;

    /// <summary>Divisor of the logits (logits_scaling of granite). Default 1.</summary>
    public double LogitsDivisor { get; init; } = 1;

    /// <summary>
    /// c of the soft cap on the logits (final_logit_softcapping of gemma2), which become c tanh(logit / c); null (default): no cap.
    /// </summary>
    public double? LogitsSoftCap { get; init; }

    /// <summary>Where the norms of a layer stand. Default: before attention and feed-forward.</summary>
    public NormPlacement Norms { get; init; }

    /// <summary>What a norm computes. Default: RMSNorm.</summary>
    public NormKind NormKind { get; init; }

    /// <summary>The activation of the feed-forward network (hidden_act, hidden_activation or activation_function). Default: SiLU.</summary>
    public Activation Activation { get; init; }

    /// <summary>
    /// Whether attention and feed-forward network both read the residual stream that enters a layer (phi; use_parallel_residual of gpt_neox), rather
    /// than one after the other. Default false.
    /// </summary>
    public bool ParallelResidual { get; init; }

    /// <summary>Whether lm_head shares the embedding matrix.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>Whether q_proj, k_proj and v_proj have a bias (qwen2: always).</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether o_proj has a bias (llama's attention_bias).</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether gate_proj, up_proj and down_proj have a bias (mlp_bias).</summary>
    public bool MlpBias { get; init; }

    /// <summary>
    /// Whether queries and keys are normalised before RoPE: per head (qwen3), or all heads together with <see cref="NormPlacement.After"/> (olmo2).
    /// </summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>How queries, keys and values lie in the output of their projections, which <see cref="ModelType"/> says.</summary>
    public QkvLayout QkvLayout => Architecture?.QkvLayout ?? QkvLayout.Separate;

    /// <summary>The sliding window of each layer in positions (a query sees itself and window - 1 before it), or 0 for full attention.</summary>
    public required IReadOnlyList<int> SlidingWindows { get; init; }

    /// <summary>Element type named in config.json (dtype or torch_dtype); null when there is none.</summary>
    public string? DataType { get; init; }

    /// <summary>End-of-sequence ids of config.json (one or several; may be empty).</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; init; } = [];

    /// <summary>Beginning-of-sequence id of config.json, or null; the forward pass does not use it.</summary>
    public int? BeginningOfSequenceId { get; init; }

    /// <summary>Whether a layer has experts in place of one feed-forward network.</summary>
    /// <param name="layer">The index of the layer, from 0.</param>
    public bool HasExperts(int layer) => Experts is { } experts && experts.Layers?[layer] != false;

    /// <summary>The widest feed-forward activations of a token in any layer: of one network, or of a token's experts together.</summary>
    public int FeedForwardWidth => Enumerable.Range(0, LayerCount)
        .Max(layer => HasExperts(layer) ? Experts!.PerToken * Experts.IntermediateSize : IntermediateSize);

    /// <summary>The projections into the feed-forward network, which <see cref="ModelType"/> says.</summary>
    public FeedForwardLayout FeedForwardLayout => Architecture?.FeedForwardLayout ?? FeedForwardLayout.Separate;

    /// <summary>Whether positions have learned embeddings rather than a rotation (gpt2), which <see cref="ModelType"/> says.</summary>
    public bool LearnedPositions => Architecture?.LearnedPositions == true;

    /// <summary>Whether the output layer has a bias (phi), which <see cref="ModelType"/> says.</summary>
    public bool HeadBias => Architecture?.HeadBias == true;

    /// <summary>Whether the files hold the matrices of linear layers input by output (gpt2), which <see cref="ModelType"/> says.</summary>
    public bool TransposedWeights => Architecture?.TransposedWeights == true;

    /// <summary>Whether a layer rotates queries and keys.</summary>
    /// <param name="layer">The index of the layer, 0 for the lowest.</param>
    public bool IsRotated(int layer) => !LearnedPositions && RotatedLayers?[layer] != false;

    private ModelArchitecture? Architecture => ModelArchitecture.Of(ModelType);

    /// <summary>Reads config.json. Missing keys take the defaults of transformers' configuration class for that model_type.</summary>
    /// <param name="path">config.json or its folder, or a GGUF file.</param>
    /// <exception cref="NlftException">
    /// The file is missing, the model_type or a setting is not supported, a key is missing, or a value is out of range.
    /// </exception>
    public static ModelConfiguration Load(string path)
    {
        if (!GgufFile.IsAt(path)) return ModelConfigurationReader.Load(Directory.Exists(path) ? Path.Combine(path, "config.json") : path);
        using var documents = ModelDocuments.Of(path);
        return ModelConfigurationReader.Read(documents.Json(ModelDocuments.Configuration, ModelConfigurationReader.WhatItIs)!.Value);
    }

    /// <summary>Checks that the sizes are possible and consistent, and that the model_type has such settings.</summary>
    /// <exception cref="NlftException">A value is out of range; the message names it by its key in config.json.</exception>
    public void Validate() => ModelConfigurationRules.Check(this, nameof(ModelConfiguration));
}

/// <summary>Where the norms of a decoder layer stand.</summary>
public enum NormPlacement
{
    /// <summary>Before attention and before the feed-forward network (llama).</summary>
    Before,

    /// <summary>After both, before their outputs are added to the residual stream (olmo2).</summary>
    After,

    /// <summary>Before and after both (gemma2).</summary>
    Both,
}

/// <summary>What a norm computes.</summary>
public enum NormKind
{
    /// <summary>RMSNorm, times w (llama).</summary>
    Rms,

    /// <summary>LayerNorm, times w, plus a bias (gpt2).</summary>
    Layer,

    /// <summary>RMSNorm, times 1 + w (gemma2).</summary>
    RmsPlusOne,
}

/// <summary>An activation of the feed-forward network.</summary>
public enum Activation
{
    /// <summary>x / (1 + exp(-x)): silu, swish.</summary>
    Silu,

    /// <summary>x (1 + erf(x / sqrt(2))) / 2: gelu.</summary>
    Gelu,

    /// <summary>x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: gelu_pytorch_tanh, gelu_new, gelu_fast.</summary>
    GeluTanh,
}
