using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Reads config.json. Defaults are those of transformers' configuration class of the model_type: <see cref="ModelArchitecture"/>.</summary>
internal static class ModelConfigurationReader
{
    public const string WhatItIs = "config.json of a model";

    public static ModelConfiguration Load(string path) => Read(JsonFile.Load(new(path, WhatItIs)));

    public static ModelConfiguration Read(JsonPlace config)
    {
        var type = config["model_type"].StringOrNull()
            ?? throw config["model_type"].Refuse(ModelArchitecture.Names, "Use the config.json that belongs to the model.");
        var architecture = ModelArchitecture.Of(type)
            ?? throw config["model_type"].Refuse(ModelArchitecture.Names, type == "gemma3"
                ? "This model also sees images: use the files of a text-only Gemma 3, whose model_type is gemma3_text, such as Gemma 3 270M or 1B."
                : "Use a model of one of these architectures.");
        RefuseUnsupported(config, architecture);

        var layers = Required(config, architecture.Key("num_hidden_layers"), 1, ModelConfigurationRules.MaximumLayers);
        var heads = Required(config, architecture.Key("num_attention_heads"), 1, ModelConfigurationRules.MaximumHeads);
        var hidden = Required(config, architecture.Key("hidden_size"), 1, ModelConfigurationRules.MaximumWidth);
        var headSize = HeadSize(config, architecture, hidden, heads);
        var positions = config[architecture.Key("max_position_embeddings")].IntOrNull() ?? architecture.MaximumPositions;
        var (rope, slidingRope) = RopeReader.Read(config, positions, architecture);
        var attentionBias = architecture.AttentionBias == AttentionBias.Always
            || (architecture.AttentionBias != AttentionBias.OfQkv && config["attention_bias"].Boolean(architecture.AttentionBiasDefault));
        var configuration = new ModelConfiguration
        {
            ModelType = type,
            VocabularySize = Required(config, "vocab_size", 1, ModelConfigurationRules.MaximumVocabulary),
            HiddenSize = hidden,
            IntermediateSize = architecture.InnerFactor is { } factor && config[architecture.Key("intermediate_size")].IsNull ? factor * hidden
                : Required(config, architecture.Key("intermediate_size"), 1, ModelConfigurationRules.MaximumWidth),
            Experts = architecture.Experts is { } experts ? Experts(config, experts, layers) : null,
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = KeyValueHeads(config, architecture, heads),
            HeadSize = headSize,
            // Dynamic scaling is for sequences up to factor times as long as max_position_embeddings.
            MaximumPositions = rope.Type == "dynamic" ? (int)Math.Min(int.MaxValue, positions * rope.Factor) : positions,
            NormEpsilon = config[architecture.Key("rms_norm_eps")].NumberOrNull() ?? architecture.NormEpsilon,
            Rope = rope,
            SlidingRope = slidingRope,
            RotatedLayers = RotatedLayers(config, architecture, layers),
            EmbeddingMultiplier = architecture.IsEmbeddingScaled ? Math.Sqrt(hidden) : Multiplier("embedding_multiplier"),
            AttentionMultiplier = architecture.Multipliers ? Multiplier("attention_multiplier") : QueryMultiplier(config, architecture, headSize),
            AttentionSoftCap = SoftCap("attn_logit_softcapping", architecture.HasAttentionSoftCap, architecture.AttentionSoftCap),
            ResidualMultiplier = Multiplier("residual_multiplier"),
            LogitsDivisor = Multiplier("logits_scaling"),
            LogitsSoftCap = SoftCap("final_logit_softcapping", architecture.HasLogitsSoftCap, architecture.LogitsSoftCap),
            Norms = architecture.Norms,
            NormKind = architecture.NormKind,
            Activation = ActivationOf(config, architecture),
            TieWordEmbeddings = config["tie_word_embeddings"].Boolean(architecture.TieWordEmbeddings),
            QkvBias = architecture.AttentionBias == AttentionBias.OfQkv || attentionBias,
            OutputBias = attentionBias,
            MlpBias = architecture.FeedForwardBias || config["mlp_bias"].Boolean(false),
            ParallelResidual = architecture.ParallelByKey ? config["use_parallel_residual"].Boolean(true) : architecture.IsParallel,
            QueryKeyNorm = architecture.QueryKeyNorm,
            SlidingWindows = SlidingWindows(config, architecture, layers),
            DataType = config["dtype"].StringOrNull() ?? config["torch_dtype"].StringOrNull(),
            EndOfSequenceIds = config["eos_token_id"].IntsOrNull()
                ?? (config["eos_token_id"] is { IsNull: true, IsMissing: false } ? [] : architecture.EndOfSequenceIds),
            BeginningOfSequenceId = config["bos_token_id"].IntOrNull(),
        };
        ModelConfigurationRules.Check(configuration, config.Source.File);
        return configuration;

        double Multiplier(string key) => architecture.Multipliers ? config[key].NumberOrNull() ?? 1 : 1;

        double? SoftCap(string key, bool counts, double? otherwise) =>
            !counts ? null : config[key].IsMissing ? otherwise : config[key].NumberOrNull();
    }

    /// <summary>Refuses settings whose forward pass no engine computes.</summary>
    private static void RefuseUnsupported(JsonPlace config, ModelArchitecture architecture)
    {
        if (architecture.Norms == NormPlacement.Both && config["use_bidirectional_attention"].Boolean(false))
            throw config["use_bidirectional_attention"].Refuse("false", "Use a model that generates text; this one computes embeddings of texts.");
        foreach (var (key, value) in architecture.Fixed)
        {
            if (config[key].Boolean(value) != value) throw config[key].Refuse(value ? "true" : "false", "Use a model without this setting.");
        }
        if (!config["quantization_config"].IsNull)
            throw config["quantization_config"].Refuse("none", "Use the model's unquantised weights (float32, float16 or bfloat16).");
    }

    private static Activation ActivationOf(JsonPlace config, ModelArchitecture architecture)
    {
        var place = config[architecture.ActivationKey];
        return place.StringOrNull() switch
        {
            null => architecture.Activation,
            "silu" or "swish" => Activation.Silu,
            "gelu" => Activation.Gelu,
            "gelu_pytorch_tanh" or "gelu_new" or "gelu_fast" => Activation.GeluTanh,
            _ => throw place.Refuse("silu, gelu or gelu_pytorch_tanh", "Use a model whose feed-forward layers have one of these activations."),
        };
    }

    /// <summary>1 / sqrt(query_pre_attn_scalar); null if that is what the size of a head gives.</summary>
    private static double? QueryMultiplier(JsonPlace config, ModelArchitecture architecture, int headSize)
    {
        if (architecture.QueryScalar is not { } usual) return null;
        var scalar = config["query_pre_attn_scalar"].NumberOrNull() ?? usual;
        if (scalar <= 0) throw config["query_pre_attn_scalar"].Refuse("a number above 0");
        return scalar == headSize ? null : 1 / Math.Sqrt(scalar);
    }

    /// <summary>no_rope_layers, in which 1 means that the layer rotates; without it, all layers but every fourth.</summary>
    private static bool[]? RotatedLayers(JsonPlace config, ModelArchitecture architecture, int layers)
    {
        if (!architecture.RotatedLayers) return null;
        var interval = config["no_rope_layer_interval"].IntOrNull() ?? 4;
        if (interval < 1) throw config["no_rope_layer_interval"].Refuse("an integer above 0");
        var rotated = config["no_rope_layers"].IsNull
            ? [.. Enumerable.Range(1, layers).Select(layer => layer % interval != 0)]
            : config["no_rope_layers"].IntsOrNull()!.Select(value => value != 0).ToArray();
        if (rotated.Length != layers) throw config["no_rope_layers"].Refuse($"{layers} entries, one per layer");
        return Array.TrueForAll(rotated, rotates => rotates) ? null : rotated;
    }

    /// <summary>num_local_experts is the name of transformers 5, num_experts that of earlier versions.</summary>
    private static ExpertConfiguration Experts(JsonPlace config, ExpertArchitecture architecture, int layers)
    {
        var experts = new ExpertConfiguration
        {
            Count = config["num_local_experts"].IntOrNull() ?? config["num_experts"].IntOrNull() ?? architecture.Count,
            PerToken = config["num_experts_per_tok"].IntOrNull() ?? architecture.PerToken,
            IntermediateSize = config["intermediate_size"].Int(),
        };
        if (architecture.IntermediateSize is not { } usual) return experts;
        var (step, dense) = (config["decoder_sparse_step"].IntOrNull() ?? 1, (config["mlp_only_layers"].IntsOrNull() ?? []).ToHashSet());
        if (step < 1) throw config["decoder_sparse_step"].Refuse("an integer above 0");
        bool[] sparse = [.. Enumerable.Range(0, layers).Select(layer => (layer + 1) % step == 0 && !dense.Contains(layer))];
        return experts with
        {
            IntermediateSize = config["moe_intermediate_size"].IntOrNull() ?? usual,
            NormalizeWeights = config["norm_topk_prob"].Boolean(false),
            Layers = Array.TrueForAll(sparse, hasExperts => hasExperts) ? null : sparse,
        };
    }

    private static int KeyValueHeads(JsonPlace config, ModelArchitecture architecture, int heads)
    {
        if (!architecture.GroupedHeads) return heads;
        if (config["num_key_value_heads"] is { IsNull: true, IsMissing: false }) return heads;
        return config["num_key_value_heads"].IntOrNull() ?? architecture.KeyValueHeadCount ?? heads;
    }

    private static int HeadSize(JsonPlace config, ModelArchitecture architecture, int hidden, int heads)
    {
        if (architecture.GroupedHeads && config["head_dim"].IntOrNull() is { } size) return size;
        if (architecture.HeadSize is { } usual)
            return config["head_dim"].IsMissing ? usual : throw config["head_dim"].Refuse("an integer above 0, or no such key");
        return hidden % heads == 0 ? hidden / heads
            : throw config[architecture.Key("hidden_size")].Refuse($"a multiple of {architecture.Key("num_attention_heads")}, {heads}"
                + (architecture.GroupedHeads ? ", or a key head_dim" : ""));
    }

    /// <summary>Returns the window of every layer, 0 for none. layer_types, if present, says which layers have one.</summary>
    private static int[] SlidingWindows(JsonPlace config, ModelArchitecture architecture, int layers)
    {
        var slides = architecture.Windows switch
        {
            LayerWindows.InEveryLayer or LayerWindows.ButEveryNthLayer => true,
            LayerWindows.InEveryLayerByKey or LayerWindows.FromALayerOn => config["use_sliding_window"].Boolean(false),
            _ => false,
        };
        var isNull = config["sliding_window"] is { IsNull: true, IsMissing: false };
        var window = !slides || isNull ? 0 : config["sliding_window"].IntOrNull() ?? architecture.Window ?? 0;
        if (window < 0 || (config["sliding_window"].IntOrNull() == 0 && slides && architecture.Windows != LayerWindows.FromALayerOn))
            throw config["sliding_window"].Refuse("an integer above 0, or null");
        if (config["layer_types"].StringsOrNull() is { } layerTypes)
        {
            if (layerTypes.Count != layers) throw config["layer_types"].Refuse($"{layers} entries, one per layer");
            return [.. layerTypes.Select(layerType => layerType switch
            {
                "full_attention" => 0,
                "sliding_attention" when window > 0 => window,
                "sliding_attention" => throw config["layer_types"].Refuse("full_attention only, as there is no sliding window"),
                _ => throw config["layer_types"].Refuse("full_attention or sliding_attention"),
            })];
        }
        if (architecture.Windows == LayerWindows.ButEveryNthLayer)
        {
            var interval = architecture.FullLayerIntervalKey is { } key ? config[key].IntOrNull() ?? architecture.FullLayerInterval
                : architecture.FullLayerInterval;
            if (interval < 1) throw config[architecture.FullLayerIntervalKey!].Refuse("an integer above 0");
            return [.. Enumerable.Range(1, layers).Select(layer => layer % interval == 0 ? 0 : window)];
        }
        var first = architecture.Windows == LayerWindows.FromALayerOn ? config["max_window_layers"].IntOrNull() ?? 28 : 0;
        if (first < 0) throw config["max_window_layers"].Refuse("an integer of at least 0");
        return [.. Enumerable.Range(0, layers).Select(layer => layer >= first ? window : 0)];
    }

    private static int Required(JsonPlace config, string key, int minimum, int maximum) =>
        config[key].IntOrNull() is { } value && value >= minimum && value <= maximum
        ? value
        : throw config[key].Refuse($"an integer from {minimum} to {maximum}");
}
