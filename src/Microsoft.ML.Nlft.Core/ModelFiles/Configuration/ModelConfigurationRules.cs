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
    public const int MaximumExperts = 1 << 14;
    public const int MaximumExpertsOfModel = 1 << 18; // each has a few tensors with names

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
        if (!architecture.GroupedHeads && c.KeyValueHeadCount != c.HeadCount)
            throw Fault("num_key_value_heads", c.KeyValueHeadCount, $"as many as query heads, {c.HeadCount}: {c.ModelType} has no groups of heads");
        if (!architecture.GroupedHeads && c.HeadCount * c.HeadSize != c.HiddenSize)
            throw Fault("hidden_size", c.HiddenSize, $"the width of all {c.HeadCount} heads together, {c.HeadCount * c.HeadSize}");
        if (c.HeadSize % 2 != 0) throw Fault("head_dim", c.HeadSize, "an even head size (rotary embedding rotates pairs)");
        CheckRope();
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
        if (architecture.AttentionBias is AttentionBias.None or AttentionBias.Always
            && c.QkvBias != (architecture.AttentionBias == AttentionBias.Always))
        {
            throw Fault("attention_bias", c.QkvBias, c.QkvBias ? $"false: {c.ModelType} has no biases" : $"true: {c.ModelType} has biases");
        }
        if (!architecture.MlpBias && c.MlpBias != architecture.FeedForwardBias)
        {
            throw Fault("mlp_bias", c.MlpBias, c.MlpBias ? $"false: {c.ModelType} has no feed-forward biases"
                : $"true: {c.ModelType} has feed-forward biases");
        }
        if (!architecture.ParallelByKey && c.ParallelResidual != architecture.IsParallel)
            throw Fault("use_parallel_residual", c.ParallelResidual, $"{(architecture.IsParallel ? "true" : "false")} for {c.ModelType}");
        if ((c.QueryKeyNorm, c.Norms, c.NormKind) != (architecture.QueryKeyNorm, architecture.Norms, architecture.NormKind))
        {
            throw Fault("model_type", $"{c.ModelType} with QueryKeyNorm {c.QueryKeyNorm}, Norms {c.Norms}, NormKind {c.NormKind}",
                $"QueryKeyNorm {architecture.QueryKeyNorm}, Norms {architecture.Norms}, NormKind {architecture.NormKind}");
        }
        if ((c.SlidingRope is not null) != (architecture.SlidingTheta is not null))
            throw Fault("rope_local_base_freq", c.SlidingRope?.Theta ?? 0, "rotary settings of layers with a sliding window in gemma3_text only");
        if ((c.Experts is null) != (architecture.Experts is null))
            throw Fault("model_type", c.ModelType, "mixtral or qwen3_moe for experts, and only for them");
        if (c.Experts is { } experts) CheckExperts(experts, architecture.Experts!);
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

        void CheckExperts(ExpertConfiguration experts, ExpertArchitecture architecture)
        {
            InRange("num_experts", experts.Count, MaximumExperts);
            if ((long)experts.Count * c.LayerCount > MaximumExpertsOfModel)
                throw Fault("num_experts", experts.Count, $"at most {MaximumExpertsOfModel} experts in the {c.LayerCount} layers together");
            InRange("num_experts_per_tok", experts.PerToken, experts.Count);
            InRange("moe_intermediate_size", experts.IntermediateSize, MaximumWidth);
            if ((long)experts.PerToken * experts.IntermediateSize > MaximumWidth)
                throw Fault("num_experts_per_tok", experts.PerToken, $"experts that are together at most {MaximumWidth} wide");
            if (experts.Layers is { } layers && layers.Count != c.LayerCount)
                throw Fault("mlp_only_layers", $"{layers.Count} entries", $"{c.LayerCount}, one per layer");
            if (architecture.IntermediateSize is not null) return;
            if (experts.IntermediateSize != c.IntermediateSize)
                throw Fault("moe_intermediate_size", experts.IntermediateSize, $"{c.IntermediateSize}, intermediate_size of {c.ModelType}");
            if (!experts.NormalizeWeights) throw Fault("norm_topk_prob", false, $"true: weights of {c.ModelType} always add up to 1");
            if (experts.Layers is not null) throw Fault("mlp_only_layers", "a list", $"none: all layers of {c.ModelType} have experts");
        }

        void CheckRope()
        {
            var (share, size) = (c.Rope.RotatedShare, c.Rope.RotatedSize(c.HeadSize));
            if (!(share > 0 && share <= 1) || size < 2 || size % 2 != 0 || (share != 1 && !architecture.PartialRotation))
            {
                throw Fault("partial_rotary_factor", share, architecture.PartialRotation
                    ? $"a number above 0 and at most 1 that rotates an even number of the {c.HeadSize} values of a head" : "1");
            }
            if (c.Rope.Type != "longrope") return;
            foreach (var (key, factors) in (ReadOnlySpan<(string, IReadOnlyList<double>)>)
                [("short_factor", c.Rope.ShortFactors), ("long_factor", c.Rope.LongFactors)])
            {
                if (factors.Count != size / 2) throw Fault(key, $"{factors.Count} numbers", $"{size / 2}, one per rotated pair of a head");
                if (factors.Any(factor => !(factor > 0 && double.IsFinite(factor))))
                    throw Fault(key, factors.First(factor => !(factor > 0 && double.IsFinite(factor))), "finite numbers above 0");
            }
        }

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
            new($"{source}, \"{ModelArchitecture.Of(c.ModelType)?.Key(key) ?? key}\"", FormattableString.Invariant($"{found}"), expected,
                "Correct the value, or take the configuration that belongs to the model.");
    }
}
