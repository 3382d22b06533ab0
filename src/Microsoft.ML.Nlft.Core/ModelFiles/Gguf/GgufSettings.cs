namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>What single architectures add to config.json: their own keys and what the presence of tensors says.</summary>
internal static class GgufSettings
{
    /// <summary>attention_bias and mlp_bias, as the tensors say.</summary>
    public static void Biases(GgufKeys keys, IDictionary<string, object?> config)
    {
        config["attention_bias"] = Has("attn_q");
        if (config["model_type"] is "llama" or "granite") config["mlp_bias"] = Has("ffn_gate");

        bool Has(string module) => keys.Model.Tensors.ContainsKey($"blk.0.{module}.bias");
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
}
