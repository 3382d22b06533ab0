namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Checks a model configuration, whatever its source. Messages use the keys of config.json.</summary>
internal static class ModelConfigurationRules
{
    // Far above any published model: a larger value means a damaged file. The product of two sizes fits in 64 bits.
    public const int MaximumVocabulary = 1 << 24;
    public const int MaximumWidth = 1 << 22;
    public const int MaximumLayers = 1 << 12;
    public const int MaximumHeads = 1 << 14;
    public const int MaximumHeadSize = 1 << 14;

    public const string SupportedTypes = "llama, mistral, qwen2 or qwen3";

    public static bool IsSupported(string type) => type is "llama" or "mistral" or "qwen2" or "qwen3";

    public static void Check(ModelConfiguration configuration, string source)
    {
        var c = configuration;
        if (!IsSupported(c.ModelType)) throw Fault("model_type", c.ModelType, SupportedTypes);
        InRange("vocab_size", c.VocabularySize, MaximumVocabulary);
        InRange("hidden_size", c.HiddenSize, MaximumWidth);
        InRange("intermediate_size", c.IntermediateSize, MaximumWidth);
        InRange("num_hidden_layers", c.LayerCount, MaximumLayers);
        InRange("num_attention_heads", c.HeadCount, MaximumHeads);
        InRange("num_key_value_heads", c.KeyValueHeadCount, MaximumHeads);
        InRange("head_dim", c.HeadSize, MaximumHeadSize);
        InRange("max_position_embeddings", c.MaximumPositions, int.MaxValue);
        if (c.HeadCount % c.KeyValueHeadCount != 0)
            throw Fault("num_key_value_heads", c.KeyValueHeadCount, $"a divisor of num_attention_heads, {c.HeadCount}");
        if (c.HeadSize % 2 != 0) throw Fault("head_dim", c.HeadSize, "an even head size (rotary embedding rotates pairs)");
        if ((long)c.HeadCount * c.HeadSize > MaximumWidth)
            throw Fault("head_dim", c.HeadSize, $"at most {MaximumWidth} for all {c.HeadCount} heads together");
        if (!(c.NormEpsilon > 0 && c.NormEpsilon < 1)) throw Fault("rms_norm_eps", c.NormEpsilon, "a number above 0 and below 1");
        foreach (var id in c.EndOfSequenceIds)
        {
            if (id < 0) throw Fault("eos_token_id", id, "token ids of at least 0");
        }

        var biases = (c.QkvBias, c.OutputBias);
        var qwen2 = c.ModelType == "qwen2";
        if (qwen2 ? biases != (true, false) : c.QkvBias != c.OutputBias)
        {
            throw Fault("attention_bias", $"{c.QkvBias} for q, k, v and {c.OutputBias} for o",
                qwen2 ? "biases on q, k and v only" : "the same for q, k, v and o");
        }
        if (c.ModelType == "mistral" && c.QkvBias) throw Fault("attention_bias", true, "false: mistral has no biases");
        if (c.ModelType != "llama" && c.MlpBias) throw Fault("mlp_bias", true, $"false: {c.ModelType} has no feed-forward biases");
        if (c.QueryKeyNorm != (c.ModelType == "qwen3"))
            throw Fault("model_type", c.ModelType, "qwen3 for normalised queries and keys, and only for them");
        CheckWindows();

        void CheckWindows()
        {
            if (c.SlidingWindows.Count != c.LayerCount)
                throw Fault("layer_types", $"{c.SlidingWindows.Count} entries", $"{c.LayerCount}, one per layer");
            var windows = c.SlidingWindows.Distinct().Where(window => window != 0).ToList();
            if (windows.Count > 1 || windows.Any(window => window < 0))
                throw Fault("sliding_window", string.Join(", ", windows), "one window above 0 for all layers that have one");
            if (windows.Count > 0 && c.ModelType == "llama") throw Fault("sliding_window", windows[0], "none: llama attends to all positions");
        }

        void InRange(string key, int value, int maximum)
        {
            if (value < 1 || value > maximum) throw Fault(key, value, $"an integer from 1 to {maximum}");
        }

        NlftException Fault(string key, object found, string expected) =>
            new($"{source}, \"{key}\"", FormattableString.Invariant($"{found}"), expected,
                "Correct the value, or take the configuration that belongs to the model.");
    }
}
