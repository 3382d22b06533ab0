namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>What single architectures add to config.json: their own keys and what the presence of tensors says.</summary>
internal static class GgufSettings
{
    /// <summary>attention_bias and mlp_bias, as the tensors say.</summary>
    public static void Biases(GgufKeys keys, IDictionary<string, object?> config)
    {
        config["attention_bias"] = Has("attn_q") || Has("attn_qkv");
        if (config["model_type"] is "llama" or "granite") config["mlp_bias"] = Has("ffn_gate");

        bool Has(string module) => keys.Model.Tensors.ContainsKey($"blk.0.{module}.bias");
    }

    /// <summary>The experts of mixtral, which are as wide as feed_forward_length, or of qwen3_moe; their weights add up to 1.</summary>
    public static void Experts(GgufKeys keys, IDictionary<string, object?> config)
    {
        Biases(keys, config);
        (config["num_local_experts"], config["num_experts_per_tok"]) = (keys.Required("expert_count"), keys.Required("expert_used_count"));
        if (config["model_type"] is "mixtral") return;
        config["moe_intermediate_size"] = keys.Required("expert_feed_forward_length");
        config["norm_topk_prob"] = true;
    }

    /// <summary>The biases of attention, and whether layers are parallel.</summary>
    public static void NeoX(GgufKeys keys, IDictionary<string, object?> config)
    {
        Biases(keys, config);
        config["use_parallel_residual"] = keys.Flag("use_parallel_residual") ?? throw keys.Refuse("use_parallel_residual", "true or false");
    }

    /// <summary>sliding_window; 0 stands for none.</summary>
    public static void Window(GgufKeys keys, IDictionary<string, object?> config) =>
        config["sliding_window"] = keys.Integer("attention.sliding_window") is > 0 and var window ? window : null;

    /// <summary>The multipliers of granite.</summary>
    public static void Granite(GgufKeys keys, IDictionary<string, object?> config)
    {
        Biases(keys, config);
        config["attention_multiplier"] = keys.Number("attention.scale") ?? 1;
        config["embedding_multiplier"] = keys.Number("embedding_scale") ?? 1;
        config["residual_multiplier"] = keys.Number("residual_scale") ?? 1;
        config["logits_scaling"] = keys.Number("logit_scale") ?? 1;
    }

    /// <summary>
    /// The window, the soft caps and the scale of queries of Gemma 2 and 3, whose windows and rotary embedding by layer are those of the published
    /// models. The largest model of either divides queries by the square root of hidden_size / num_attention_heads, the others by that of head_dim.
    /// </summary>
    public static void Gemma(GgufKeys keys, IDictionary<string, object?> config)
    {
        const int LayersOfGemma2Of27B = 46, LayersOfGemma3Of27B = 62;
        var isSecond = config["model_type"] is "gemma2";
        config["query_pre_attn_scalar"] = config["num_hidden_layers"] is int layers
            && layers == (isSecond ? LayersOfGemma2Of27B : LayersOfGemma3Of27B)
            ? (int)config["hidden_size"]! / (int)config["num_attention_heads"]! : config["head_dim"];
        if (keys.Integer("attention.sliding_window") is { } window) config["sliding_window"] = window;
        if (keys.Number("final_logit_softcapping") is { } logits) config["final_logit_softcapping"] = logits;
        if (isSecond) config["attn_logit_softcapping"] = keys.Number("attn_logit_softcapping") ?? 50;
        else config["rope_local_base_freq"] = keys.Number("rope.freq_base_swa") ?? 10000;
    }
}
