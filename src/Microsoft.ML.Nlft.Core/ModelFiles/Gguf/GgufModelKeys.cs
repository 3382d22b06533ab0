namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Translates a configuration to the keys of a GGUF file, as llama.cpp reads them. What it would compute otherwise than the configuration says is
/// refused by name.
/// </summary>
internal sealed class GgufModelKeys
{
    private const string OtherModel = "Write a merged folder with 'nlft merge' and use a program that reads folders.";
    private const int Smollm3Step = 4; // llama.cpp leaves every fourth layer of a smollm3 without rotation

    private readonly ModelConfiguration _model;
    private readonly List<(string Key, object Value)> _keys = [];

    private GgufModelKeys(ModelConfiguration model) =>
        (_model, Architecture) = (model, GgufArchitecture.For(model.ModelType == "mistral" ? "llama" : model.ModelType));

    /// <summary>How the file spells the architecture. Mistral is a llama there.</summary>
    public GgufArchitecture Architecture { get; }

    /// <summary>The keys, which begin with the architecture's name.</summary>
    public IReadOnlyList<(string Key, object Value)> Keys => _keys;

    /// <summary>What the rotary frequencies are divided by, by the names of the tensors; empty: nothing.</summary>
    public IReadOnlyList<(string Tensor, float[] Values)> FrequencyDivisors { get; private set; } = [];

    /// <summary>Translates a configuration.</summary>
    /// <exception cref="NlftException">llama.cpp does not compute such a model.</exception>
    public static GgufModelKeys Of(ModelConfiguration model)
    {
        var keys = new GgufModelKeys(model);
        keys.AddSizes();
        if (!model.LearnedPositions) keys.AddRotation();
        keys.AddArchitecture();
        return keys;
    }

    private void AddSizes()
    {
        Add("context_length", (uint)Positions());
        Add("embedding_length", (uint)_model.HiddenSize);
        Add("block_count", (uint)_model.LayerCount);
        Add("feed_forward_length", (uint)_model.IntermediateSize);
        Add("attention.head_count", (uint)_model.HeadCount);
        Add("attention.head_count_kv", (uint)_model.KeyValueHeadCount);
        Add("attention.key_length", (uint)_model.HeadSize);
        Add("attention.value_length", (uint)_model.HeadSize);
        Add(Architecture.NormEpsilonKey, (float)_model.NormEpsilon);
        Add("vocab_size", (uint)_model.VocabularySize);
    }

    /// <summary>
    /// The positions at which llama.cpp computes the same: no more than the shortest sliding window, which it leaves out for these architectures, and
    /// than those where the frequencies of dynamic scaling begin to change.
    /// </summary>
    private int Positions()
    {
        var positions = _model.Rope.Type == "dynamic" ? _model.Rope.OriginalMaximumPositions : _model.MaximumPositions;
        return IsGemma ? positions : _model.SlidingWindows.Where(window => window > 0).Append(positions).Min();
    }

    private void AddRotation()
    {
        var rope = _model.Rope;
        Add("rope.dimension_count", (uint)rope.RotatedSize(_model.HeadSize));
        Add("rope.freq_base", (float)rope.Theta);
        switch (rope.Type)
        {
            case "default" or "dynamic": // the context ends where the frequencies of dynamic begin to change
                break;
            case "linear":
                Add("rope.scaling.type", "linear");
                Add("rope.scaling.factor", (float)rope.Factor);
                break;
            case "yarn":
                RequireYarn(rope);
                Add("rope.scaling.type", "yarn");
                Add("rope.scaling.factor", (float)rope.Factor);
                Add("rope.scaling.original_context_length", (uint)rope.OriginalMaximumPositions);
                break;
            case "llama3":
                if (!IsLlama) throw Refuse("rope_type", $"\"llama3\" of a {_model.ModelType}", "default, linear, dynamic or yarn");
                var plain = RopeFrequencies.Of(rope with { Type = "default" }, _model.HeadSize).Frequencies;
                var scaled = RopeFrequencies.Of(rope, _model.HeadSize).Frequencies;
                FrequencyDivisors = [(GgufRope.Divisors, [.. plain.Zip(scaled, (from, to) => (float)(from / to))])];
                break;
            case "longrope" when _model.ModelType == "phi3":
                Add("rope.scaling.attn_factor", (float)RopeFrequencies.Of(rope, _model.HeadSize).Magnitude);
                Add("rope.scaling.original_context_length", (uint)rope.OriginalMaximumPositions);
                FrequencyDivisors = [(GgufRope.ShortDivisors, Singles(rope.ShortFactors)), (GgufRope.LongDivisors, Singles(rope.LongFactors))];
                break;
            case "longrope" when IsLlama && rope.AttentionFactor == 1 && rope.ShortFactors.SequenceEqual(rope.LongFactors): // as divisors are read
                FrequencyDivisors = [(GgufRope.Divisors, Singles(rope.ShortFactors))];
                break;
            default:
                throw Refuse("rope_type", $"\"{rope.Type}\" of a {_model.ModelType}", "default, linear, dynamic, llama3 or yarn");
        }

        static float[] Singles(IEnumerable<double> values) => [.. values.Select(value => (float)value)];
    }

    /// <summary>llama.cpp has fixed settings for what config.json can set: 32 and 1 rotations, whole pairs, a factor of 0.1 ln(factor) + 1.</summary>
    private static void RequireYarn(RopeConfiguration rope)
    {
        if (rope.BetaFast != 32) throw Refuse("beta_fast", FormattableString.Invariant($"{rope.BetaFast}"), "32");
        if (rope.BetaSlow != 1) throw Refuse("beta_slow", FormattableString.Invariant($"{rope.BetaSlow}"), "1");
        if (!rope.Truncate) throw Refuse("truncate", "false", "true");
        var usual = rope.Factor <= 1 ? 1 : 0.1 * Math.Log(rope.Factor) + 1;
        if (rope.AttentionFactor is { } factor && Math.Abs(factor - usual) > 1e-6)
            throw Refuse("attention_factor", FormattableString.Invariant($"{factor}"), FormattableString.Invariant($"{usual:0.######}"));
    }

    private bool IsGemma => _model.NormKind == NormKind.RmsPlusOne;

    /// <summary>Whether llama.cpp computes it as a llama: with biases, and with divisors of the rotary frequencies.</summary>
    private bool IsLlama => _model.ModelType is "llama" or "mistral" or "mixtral" or "granite";

    private void AddArchitecture()
    {
        RequireActivation();
        if (IsGemma) AddGemma();
        if (_model.Experts is { } experts) AddExperts(experts);
        switch (_model.ModelType)
        {
            case "granite":
                Add("attention.scale", (float)(_model.AttentionMultiplier ?? 1 / Math.Sqrt(_model.HeadSize)));
                Add("embedding_scale", (float)_model.EmbeddingMultiplier);
                Add("residual_scale", (float)_model.ResidualMultiplier);
                Add("logit_scale", (float)_model.LogitsDivisor);
                break;
            case "smollm3" when Enumerable.Range(0, _model.LayerCount)
                .Any(layer => _model.RotatedLayers?[layer] != false == ((layer + 1) % Smollm3Step == 0)):
                throw Refuse("no_rope_layers", "other layers than every fourth", "every fourth layer without rotation");
        }
        var isWide = _model.HeadCount * _model.HeadSize != _model.HiddenSize;
        if (isWide && _model.ModelType is "phi" or "phi3") throw Refuse("head_dim", $"{_model.HeadSize}", "hidden_size / num_attention_heads");
        if (_model.ModelType == "gpt_neox") AddNeoX();
        if (IsLlama || _model.NormKind == NormKind.Layer) return;
        var hasOwnBiases = _model.ModelType == "qwen2"; // those of queries, keys and values, always
        if (_model.OutputBias || (_model.QkvBias && !hasOwnBiases)) throw Refuse("attention_bias", $"true for a {_model.ModelType}", "false");
        if (_model.MlpBias) throw Refuse("mlp_bias", $"true for a {_model.ModelType}", "false");
    }

    /// <summary>
    /// llama.cpp has one activation for an architecture. Its only GELU is that by tanh, which also stands for the exact one of gpt_neox.
    /// </summary>
    private void RequireActivation()
    {
        var usual = Architecture.Model.Activation;
        if (_model.Activation == usual || (usual == Activation.Gelu && _model.Activation == Activation.GeluTanh)) return;
        throw Refuse(Architecture.Model.ActivationKey, $"\"{ModelConfigurationWriter.NameOf(_model.Activation)}\"",
            $"\"{ModelConfigurationWriter.NameOf(usual)}\"");
    }

    /// <summary>llama.cpp has experts in all layers or in none, and makes their weights add up to 1.</summary>
    private void AddExperts(ExpertConfiguration experts)
    {
        if (experts.Layers is not null) throw Refuse("mlp_only_layers", "layers without experts", "experts in every layer");
        if (!experts.NormalizeWeights) throw Refuse("norm_topk_prob", "false", "true");
        Add("expert_count", (uint)experts.Count);
        Add("expert_used_count", (uint)experts.PerToken);
        if (_model.ModelType != "mixtral") Add("expert_feed_forward_length", (uint)experts.IntermediateSize);
    }

    private void AddNeoX()
    {
        if (!_model.QkvBias) throw Refuse("attention_bias", "false", "true");
        Add("use_parallel_residual", _model.ParallelResidual);
    }

    /// <summary>
    /// Windows in all layers but every second (Gemma 2) or sixth (Gemma 3), and the scale of queries: llama.cpp knows those of the published models
    /// by the number of layers.
    /// </summary>
    private void AddGemma()
    {
        var isSecond = _model.ModelType == "gemma2";
        var (interval, layersOfLargest) = isSecond ? (2, 46) : (6, 62);
        var window = _model.SlidingWindows.Max();
        if (window == 0 || _model.SlidingWindows.Where((size, layer) => size != ((layer + 1) % interval == 0 ? 0 : window)).Any())
            throw Refuse("layer_types", "other windows", $"a sliding window in all layers but every {(isSecond ? "second" : "sixth")}");
        Add("attention.sliding_window", (uint)window);
        var width = _model.LayerCount == layersOfLargest ? _model.HiddenSize / _model.HeadCount : _model.HeadSize;
        var scale = _model.AttentionMultiplier ?? 1 / Math.Sqrt(_model.HeadSize);
        if (Math.Abs(scale * Math.Sqrt(width) - 1) > 1e-6)
            throw Refuse("query_pre_attn_scalar", FormattableString.Invariant($"{1 / (scale * scale):0.###}"), $"{width}");
        if (_model.LogitsSoftCap is { } logits) Add("final_logit_softcapping", (float)logits);
        else if (isSecond) throw Refuse("final_logit_softcapping", "null", "a number");
        if (isSecond) Add("attn_logit_softcapping", (float)(_model.AttentionSoftCap ?? throw Refuse("attn_logit_softcapping", "null", "a number")));
        else if (_model.SlidingRope is { Type: "default" } local) Add("rope.freq_base_swa", (float)local.Theta);
        else throw Refuse("rope_local_base_freq", "another rotary embedding", "one without scaling in layers with a window");
    }

    private void Add(string key, object value) => _keys.Add(($"{Architecture.Name}.{key}", value));

    private static NlftException Refuse(string key, string found, string expected) =>
        new($"config.json, {key}, as GGUF", found, $"{expected}, which llama.cpp computes", OtherModel);
}
