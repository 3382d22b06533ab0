using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Writes config.json with the keys that every version of transformers reads (rope_theta, rope_scaling, torch_dtype), sorted.</summary>
internal static class ModelConfigurationWriter
{
    public static byte[] ToJson(ModelConfiguration configuration, TensorType type)
    {
        var (c, architecture) = (configuration, ModelArchitecture.Of(configuration.ModelType)!);
        var keys = new SortedDictionary<string, object?>(StringComparer.Ordinal)
        {
            ["architectures"] = new[] { architecture.CausalClass },
            ["attention_dropout"] = 0.0,
            ["bos_token_id"] = c.BeginningOfSequenceId,
            ["eos_token_id"] = c.EndOfSequenceIds switch { [] => null, [var one] => one, var several => several },
            [architecture.ActivationKey] = NameOf(c.Activation),
            [architecture.Key("hidden_size")] = c.HiddenSize,
            ["initializer_range"] = ModelInitializer.StandardDeviation,
            [architecture.Key("intermediate_size")] = c.IntermediateSize,
            [architecture.Key("max_position_embeddings")] = c.Rope.Type == "dynamic" ? c.Rope.OriginalMaximumPositions : c.MaximumPositions,
            ["model_type"] = c.ModelType,
            [architecture.Key("num_attention_heads")] = c.HeadCount,
            [architecture.Key("num_hidden_layers")] = c.LayerCount,
            [architecture.Key("rms_norm_eps")] = c.NormEpsilon,
            ["tie_word_embeddings"] = c.TieWordEmbeddings,
            ["torch_dtype"] = type.TorchName(),
            ["use_cache"] = true,
            ["vocab_size"] = c.VocabularySize,
        };
        if (architecture.GroupedHeads) (keys["head_dim"], keys["num_key_value_heads"]) = (c.HeadSize, c.KeyValueHeadCount);
        if (!c.LearnedPositions)
        {
            keys["rope_scaling"] = c.Rope.Type == "longrope" ? LongRope(c) : RopeScaling(c.Rope);
            keys[architecture.Key("rope_theta")] = c.Rope.Theta;
        }
        if (architecture.ParallelByKey) keys["use_parallel_residual"] = c.ParallelResidual;
        if (architecture.AttentionBias == AttentionBias.ByKey) keys["attention_bias"] = c.QkvBias;
        if (architecture.RotatedLayers)
            keys["no_rope_layers"] = Enumerable.Range(0, c.LayerCount).Select(layer => c.RotatedLayers?[layer] != false ? 1 : 0).ToArray();
        if (architecture.Multipliers)
        {
            keys["embedding_multiplier"] = c.EmbeddingMultiplier;
            keys["attention_multiplier"] = c.AttentionMultiplier ?? 1 / Math.Sqrt(c.HeadSize);
            keys["residual_multiplier"] = c.ResidualMultiplier;
            keys["logits_scaling"] = c.LogitsDivisor;
        }
        if (architecture.PartialRotation) keys[architecture.Key("partial_rotary_factor")] = c.Rope.RotatedShare;
        if (c.Rope.Type == "longrope") keys["original_max_position_embeddings"] = c.Rope.OriginalMaximumPositions;
        if (c.SlidingRope is { Type: "default" } sliding)
        {
            keys["rope_local_base_freq"] = sliding.Theta;
        }
        else if (c.SlidingRope is { } scaled) // only the spelling of transformers 5 has keys for that
        {
            keys.Remove("rope_scaling");
            keys.Remove("rope_theta");
            keys["rope_parameters"] = new SortedDictionary<string, object?>(StringComparer.Ordinal)
            {
                ["full_attention"] = RopeParameters(c.Rope), ["sliding_attention"] = RopeParameters(scaled),
            };
        }
        // Rounded, so that an integer stays one through the square root.
        if (architecture.QueryScalar is not null)
            keys["query_pre_attn_scalar"] = c.AttentionMultiplier is { } factor ? Math.Round(1 / (factor * factor), 9) : c.HeadSize;
        if (architecture.HasAttentionSoftCap) keys["attn_logit_softcapping"] = c.AttentionSoftCap;
        if (architecture.HasLogitsSoftCap) keys["final_logit_softcapping"] = c.LogitsSoftCap;
        if (architecture.MlpBias) keys["mlp_bias"] = c.MlpBias;
        if (c.Experts is { } experts) AddExperts(keys, c, experts, architecture.Experts!);
        if (architecture.Windows != LayerWindows.None) AddWindows(keys, c, architecture.Windows);
        return HuggingFaceJson.Write(keys);
    }

    /// <summary>The name of an activation in config.json.</summary>
    public static string NameOf(Activation activation) => activation switch
    {
        Activation.Gelu => "gelu",
        Activation.GeluTanh => "gelu_pytorch_tanh",
        _ => "silu",
    };

    private static void AddExperts(SortedDictionary<string, object?> keys, ModelConfiguration c, ExpertConfiguration experts,
        ExpertArchitecture architecture)
    {
        keys["num_experts_per_tok"] = experts.PerToken;
        if (architecture.IntermediateSize is null)
        {
            keys["num_local_experts"] = experts.Count;
            return;
        }
        keys["num_experts"] = experts.Count;
        keys["moe_intermediate_size"] = experts.IntermediateSize;
        keys["norm_topk_prob"] = experts.NormalizeWeights;
        keys["decoder_sparse_step"] = 1;
        keys["mlp_only_layers"] = Enumerable.Range(0, c.LayerCount).Where(layer => !c.HasExperts(layer)).ToArray();
    }

    private static void AddWindows(SortedDictionary<string, object?> keys, ModelConfiguration c, LayerWindows windows)
    {
        var window = c.SlidingWindows.Max();
        keys["sliding_window"] = window == 0 ? null : window;
        if (windows is LayerWindows.FromALayerOn or LayerWindows.InEveryLayerByKey) keys["use_sliding_window"] = window > 0;
        if (windows == LayerWindows.FromALayerOn) keys["max_window_layers"] = c.SlidingWindows.TakeWhile(layer => layer == 0).Count();
        if ((window > 0 && c.SlidingWindows.Contains(0)) || windows == LayerWindows.ButEveryNthLayer)
            keys["layer_types"] = c.SlidingWindows.Select(layer => layer > 0 ? "sliding_attention" : "full_attention").ToArray();
    }

    private static SortedDictionary<string, object?> RopeParameters(RopeConfiguration rope) =>
        new(RopeScaling(rope) ?? [], StringComparer.Ordinal) { ["rope_theta"] = rope.Theta, ["rope_type"] = rope.Type };

    private static SortedDictionary<string, object?>? RopeScaling(RopeConfiguration rope)
    {
        if (rope.Type == "default") return null;
        var keys = new SortedDictionary<string, object?>(StringComparer.Ordinal) { ["factor"] = rope.Factor, ["rope_type"] = rope.Type };
        if (rope.Type is "llama3" or "yarn") keys["original_max_position_embeddings"] = rope.OriginalMaximumPositions;
        if (rope.Type == "llama3") (keys["low_freq_factor"], keys["high_freq_factor"]) = (rope.LowFrequencyFactor, rope.HighFrequencyFactor);
        if (rope.Type == "yarn")
        {
            (keys["beta_fast"], keys["beta_slow"]) = (rope.BetaFast, rope.BetaSlow);
            if (rope.AttentionFactor is { } factor) keys["attention_factor"] = factor;
            if (!rope.Truncate) keys["truncate"] = false;
        }
        return keys;
    }

    /// <summary>Exactly three keys where these say all, because transformers 4 refuses others.</summary>
    private static SortedDictionary<string, object?> LongRope(ModelConfiguration c)
    {
        var rope = c.Rope;
        var keys = new SortedDictionary<string, object?>(StringComparer.Ordinal)
        {
            ["long_factor"] = rope.LongFactors, ["short_factor"] = rope.ShortFactors, ["type"] = rope.Type,
        };
        if (rope.Factor != (double)c.MaximumPositions / rope.OriginalMaximumPositions) keys["factor"] = rope.Factor;
        if (rope.AttentionFactor is { } attention) keys["attention_factor"] = attention;
        return keys;
    }
}
