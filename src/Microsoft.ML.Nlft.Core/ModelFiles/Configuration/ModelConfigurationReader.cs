using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Reads config.json. Defaults are those of transformers' LlamaConfig, MistralConfig, Qwen2Config and Qwen3Config.</summary>
internal static class ModelConfigurationReader
{
    public const string WhatItIs = "config.json of a model";

    public static ModelConfiguration Load(string path) => Read(JsonKeys.Load(path, WhatItIs));

    public static ModelConfiguration Read(JsonKeys config)
    {
        var type = config.Text("model_type")
            ?? throw config.Error("model_type", ModelConfigurationRules.SupportedTypes, "Take the config.json that belongs to the model.");
        if (!ModelConfigurationRules.IsSupported(type))
            throw config.Error("model_type", ModelConfigurationRules.SupportedTypes, "Use a model of one of these architectures.");
        RefuseWhatIsNotComputed(config);

        var layers = Required(config, "num_hidden_layers", 1, ModelConfigurationRules.MaximumLayers);
        var heads = Required(config, "num_attention_heads", 1, ModelConfigurationRules.MaximumHeads);
        var hidden = Required(config, "hidden_size", 1, ModelConfigurationRules.MaximumWidth);
        var positions = config.Int("max_position_embeddings") ?? type switch { "llama" => 2048, "mistral" => 131072, _ => 32768 };
        var attentionBias = type != "qwen2" && (config.Flag("attention_bias") ?? false);
        var configuration = new ModelConfiguration
        {
            ModelType = type,
            VocabularySize = Required(config, "vocab_size", 1, ModelConfigurationRules.MaximumVocabulary),
            HiddenSize = hidden,
            IntermediateSize = Required(config, "intermediate_size", 1, ModelConfigurationRules.MaximumWidth),
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = KeyValueHeads(config, type, heads),
            HeadSize = HeadSize(config, type, hidden, heads),
            MaximumPositions = positions,
            NormEpsilon = config.Number("rms_norm_eps") ?? 1e-6,
            Rope = RopeConfiguration.Read(config, positions),
            TieWordEmbeddings = config.Flag("tie_word_embeddings") ?? false,
            QkvBias = type == "qwen2" || attentionBias,
            OutputBias = attentionBias,
            MlpBias = config.Flag("mlp_bias") ?? false,
            QueryKeyNorm = type == "qwen3",
            SlidingWindows = SlidingWindows(config, type, layers),
            DataType = config.Text("dtype") ?? config.Text("torch_dtype"),
            EndOfSequenceIds = config.IntOrInts("eos_token_id")
                ?? (config.IsNull("eos_token_id") || type.StartsWith("qwen", StringComparison.Ordinal) ? [] : [2]),
            BeginningOfSequenceId = config.Int("bos_token_id"),
        };
        ModelConfigurationRules.Check(configuration, config.Source);
        return configuration;
    }

    /// <summary>Settings that would change the forward pass in a way that no engine here computes.</summary>
    private static void RefuseWhatIsNotComputed(JsonKeys config)
    {
        if ((config.Text("hidden_act") ?? "silu") is not ("silu" or "swish"))
            throw config.Error("hidden_act", "\"silu\"", "Use a model with SiLU feed-forward layers.");
        if (config.Has("quantization_config"))
            throw config.Error("quantization_config", "none", "Use the model's unquantised weights (float32, float16 or bfloat16).");
    }

    private static int KeyValueHeads(JsonKeys config, string type, int heads)
    {
        if (config.IsNull("num_key_value_heads")) return heads;
        return config.Int("num_key_value_heads") ?? type switch { "llama" => heads, "mistral" => 8, _ => 32 };
    }

    private static int HeadSize(JsonKeys config, string type, int hidden, int heads)
    {
        if (config.Int("head_dim") is { } size) return size;
        if (type == "qwen3") return 128;
        return hidden % heads == 0 ? hidden / heads
            : throw config.Error("hidden_size", $"a multiple of num_attention_heads, {heads}, or a key head_dim");
    }

    /// <summary>
    /// Mistral: every layer. Qwen: with use_sliding_window, the layers from max_window_layers on. layer_types, when there, says which
    /// layers.
    /// </summary>
    private static int[] SlidingWindows(JsonKeys config, string type, int layers)
    {
        var window = type switch
        {
            "mistral" => config.IsNull("sliding_window") ? 0 : config.Int("sliding_window") ?? 4096,
            "qwen2" or "qwen3" when config.Flag("use_sliding_window") ?? false =>
                config.IsNull("sliding_window") ? 0 : config.Int("sliding_window") ?? 4096,
            _ => 0,
        };
        if (window < 0 || (window == 0 && type == "mistral" && config.Has("sliding_window")))
            throw config.Error("sliding_window", "an integer above 0, or null");
        if (config.Texts("layer_types") is { } layerTypes)
        {
            if (layerTypes.Count != layers) throw config.Error("layer_types", $"{layers} entries, one per layer");
            return [.. layerTypes.Select(layerType => layerType switch
            {
                "full_attention" => 0,
                "sliding_attention" when window > 0 => window,
                "sliding_attention" => throw config.Error("layer_types", "full_attention only, as there is no sliding window"),
                _ => throw config.Error("layer_types", "full_attention or sliding_attention"),
            })];
        }
        var first = type == "mistral" ? 0 : config.Int("max_window_layers") ?? 28;
        if (first < 0) throw config.Error("max_window_layers", "an integer of at least 0");
        return [.. Enumerable.Range(0, layers).Select(layer => layer >= first ? window : 0)];
    }

    private static int Required(JsonKeys config, string key, int minimum, int maximum) =>
        config.Int(key) is { } value && value >= minimum && value <= maximum
        ? value
        : throw config.Error(key, $"an integer from {minimum} to {maximum}");
}
