using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Reads config.json. Defaults are those of transformers' LlamaConfig, MistralConfig, Qwen2Config and Qwen3Config.</summary>
internal static class ModelConfigurationReader
{
    public const string WhatItIs = "config.json of a model";

    public static ModelConfiguration Load(string path) => Read(JsonFile.Load(new(path, WhatItIs)));

    public static ModelConfiguration Read(JsonPlace config)
    {
        var type = config["model_type"].StringOrNull()
            ?? throw config["model_type"].Refuse(ModelConfigurationRules.SupportedTypes, "Use the config.json that belongs to the model.");
        if (!ModelConfigurationRules.IsSupported(type))
            throw config["model_type"].Refuse(ModelConfigurationRules.SupportedTypes, "Use a model of one of these architectures.");
        RefuseUnsupported(config);

        var layers = Required(config, "num_hidden_layers", 1, ModelConfigurationRules.MaximumLayers);
        var heads = Required(config, "num_attention_heads", 1, ModelConfigurationRules.MaximumHeads);
        var hidden = Required(config, "hidden_size", 1, ModelConfigurationRules.MaximumWidth);
        var positions = config["max_position_embeddings"].IntOrNull() ?? type switch { "llama" => 2048, "mistral" => 131072, _ => 32768 };
        var attentionBias = type != "qwen2" && (config["attention_bias"].Boolean(false));
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
            NormEpsilon = config["rms_norm_eps"].NumberOrNull() ?? 1e-6,
            Rope = RopeConfiguration.Read(config, positions),
            TieWordEmbeddings = config["tie_word_embeddings"].Boolean(false),
            QkvBias = type == "qwen2" || attentionBias,
            OutputBias = attentionBias,
            MlpBias = config["mlp_bias"].Boolean(false),
            QueryKeyNorm = type == "qwen3",
            SlidingWindows = SlidingWindows(config, type, layers),
            DataType = config["dtype"].StringOrNull() ?? config["torch_dtype"].StringOrNull(),
            EndOfSequenceIds = config["eos_token_id"].IntsOrNull()
                ?? (config["eos_token_id"] is { IsNull: true, IsMissing: false } || type.StartsWith("qwen", StringComparison.Ordinal) ? [] : [2]),
            BeginningOfSequenceId = config["bos_token_id"].IntOrNull(),
        };
        ModelConfigurationRules.Check(configuration, config.Source.File);
        return configuration;
    }

    /// <summary>Refuses settings whose forward pass no engine computes.</summary>
    private static void RefuseUnsupported(JsonPlace config)
    {
        if ((config["hidden_act"].StringOrNull() ?? "silu") is not ("silu" or "swish"))
            throw config["hidden_act"].Refuse("\"silu\"", "Use a model with SiLU feed-forward layers.");
        if (!config["quantization_config"].IsNull)
            throw config["quantization_config"].Refuse("none", "Use the model's unquantised weights (float32, float16 or bfloat16).");
    }

    private static int KeyValueHeads(JsonPlace config, string type, int heads)
    {
        if (config["num_key_value_heads"] is { IsNull: true, IsMissing: false }) return heads;
        return config["num_key_value_heads"].IntOrNull() ?? type switch { "llama" => heads, "mistral" => 8, _ => 32 };
    }

    private static int HeadSize(JsonPlace config, string type, int hidden, int heads)
    {
        if (config["head_dim"].IntOrNull() is { } size) return size;
        if (type == "qwen3") return 128;
        return hidden % heads == 0 ? hidden / heads
            : throw config["hidden_size"].Refuse($"a multiple of num_attention_heads, {heads}, or a key head_dim");
    }

    /// <summary>
    /// Returns the window of every layer, 0 for none. In Mistral every layer has one; in Qwen, with use_sliding_window, the layers from
    /// max_window_layers on. layer_types, if present, decides instead.
    /// </summary>
    private static int[] SlidingWindows(JsonPlace config, string type, int layers)
    {
        var window = type switch
        {
            "mistral" => config["sliding_window"] is { IsNull: true, IsMissing: false } ? 0 : config["sliding_window"].IntOrNull() ?? 4096,
            "qwen2" or "qwen3" when config["use_sliding_window"].Boolean(false) =>
                config["sliding_window"] is { IsNull: true, IsMissing: false } ? 0 : config["sliding_window"].IntOrNull() ?? 4096,
            _ => 0,
        };
        if (window < 0 || (window == 0 && type == "mistral" && !config["sliding_window"].IsNull))
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
        var first = type == "mistral" ? 0 : config["max_window_layers"].IntOrNull() ?? 28;
        if (first < 0) throw config["max_window_layers"].Refuse("an integer of at least 0");
        return [.. Enumerable.Range(0, layers).Select(layer => layer >= first ? window : 0)];
    }

    private static int Required(JsonPlace config, string key, int minimum, int maximum) =>
        config[key].IntOrNull() is { } value && value >= minimum && value <= maximum
        ? value
        : throw config[key].Refuse($"an integer from {minimum} to {maximum}");
}
