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

    public static void Check(ModelConfiguration configuration, string source)
    {
        var c = configuration;
        var architecture = ModelArchitecture.Of(c.ModelType) ?? throw Fault("model_type", c.ModelType, ModelArchitecture.Names);
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

        var ofQkv = architecture.AttentionBias == AttentionBias.OfQkv;
        if (ofQkv ? !c.QkvBias || c.OutputBias : c.QkvBias != c.OutputBias)
        {
            throw Fault("attention_bias", $"{c.QkvBias} for q, k, v and {c.OutputBias} for o",
                ofQkv ? "biases on q, k and v only" : "the same for q, k, v and o");
        }
        if (architecture.AttentionBias == AttentionBias.None && c.QkvBias)
            throw Fault("attention_bias", true, $"false: {c.ModelType} has no biases");
        if (!architecture.MlpBias && c.MlpBias) throw Fault("mlp_bias", true, $"false: {c.ModelType} has no feed-forward biases");
        if ((c.QueryKeyNorm, c.Norms, c.NormKind) != (architecture.QueryKeyNorm, architecture.Norms, architecture.NormKind))
        {
            throw Fault("model_type", $"{c.ModelType} with QueryKeyNorm {c.QueryKeyNorm}, Norms {c.Norms}, NormKind {c.NormKind}",
                $"QueryKeyNorm {architecture.QueryKeyNorm}, Norms {architecture.Norms}, NormKind {architecture.NormKind}");
        }
        if ((c.SlidingRope is not null) != (architecture.SlidingTheta is not null))
            throw Fault("rope_local_base_freq", c.SlidingRope?.Theta ?? 0, "rotary settings of layers with a sliding window in gemma3_text only");
        if (!architecture.RotatedLayers && c.RotatedLayers is not null) throw Fault("no_rope_layers", "a list", "none: all layers rotate");
        if (c.RotatedLayers is { } rotated && rotated.Count != c.LayerCount)
            throw Fault("no_rope_layers", $"{rotated.Count} entries", $"{c.LayerCount}, one per layer");
        if (architecture.IsEmbeddingScaled)
        {
            if (c.EmbeddingMultiplier != Math.Sqrt(c.HiddenSize))
                throw Fault("EmbeddingMultiplier", c.EmbeddingMultiplier, $"Math.Sqrt(HiddenSize) in {c.ModelType}");
        }
        else
        {
            Multiplier("embedding_multiplier", c.EmbeddingMultiplier, 1);
        }
        if (architecture.QueryScalar is null) Multiplier("attention_multiplier", c.AttentionMultiplier, null);
        else if (c.AttentionMultiplier is { } factor && !(factor > 0 && double.IsFinite(factor)))
            throw Fault("query_pre_attn_scalar", factor, "a finite factor above 0");
        SoftCap("attn_logit_softcapping", c.AttentionSoftCap, architecture.HasAttentionSoftCap);
        SoftCap("final_logit_softcapping", c.LogitsSoftCap, architecture.HasLogitsSoftCap);
        Multiplier("residual_multiplier", c.ResidualMultiplier, 1);
        Multiplier("logits_scaling", c.LogitsDivisor, 1);
        CheckWindows();

        void CheckWindows()
        {
            if (c.SlidingWindows.Count != c.LayerCount)
                throw Fault("layer_types", $"{c.SlidingWindows.Count} entries", $"{c.LayerCount}, one per layer");
            var windows = c.SlidingWindows.Distinct().Where(window => window != 0).ToList();
            if (windows.Count > 1 || windows.Any(window => window < 0))
                throw Fault("sliding_window", string.Join(", ", windows), "one window above 0 for all layers that have one");
            if (windows.Count > 0 && architecture.Windows == LayerWindows.None)
                throw Fault("sliding_window", windows[0], $"none: {c.ModelType} attends to all positions");
        }

        void Multiplier(string key, double? value, double? otherwise)
        {
            if (!architecture.Multipliers && value != otherwise) throw Fault(key, value!, $"none: {c.ModelType} has no such factor");
            if (value is { } number && !(number > 0 && double.IsFinite(number))) throw Fault(key, number, "a finite number above 0");
        }

        void SoftCap(string key, double? value, bool exists)
        {
            if (value is not { } cap) return;
            if (!exists) throw Fault(key, cap, $"none: {c.ModelType} has no such soft cap");
            if (!(cap > 0 && double.IsFinite(cap))) throw Fault(key, cap, "a finite number above 0, or null");
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
