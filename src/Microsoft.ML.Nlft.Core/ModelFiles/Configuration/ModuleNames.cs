using System.Globalization;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// The names that the class of an architecture in transformers gives its modules. Those of a layer follow the path of the layer: <see cref="Layers"/>
/// and its number.
/// </summary>
internal sealed record ModuleNames
{
    public string Embedding { get; init; } = "model.embed_tokens";

    /// <summary>The embedding of positions, or null.</summary>
    public string? Positions { get; init; }
    public string Layers { get; init; } = "model.layers";
    public string FinalNorm { get; init; } = "model.norm";
    public string Head { get; init; } = "lm_head";

    /// <summary>The norms before and after attention; null where there is none.</summary>
    public string? AttentionNorm { get; init; } = "input_layernorm";
    public string? AttentionOutputNorm { get; init; }

    /// <summary>The norms before and after the feed-forward network. The one before has the name of that of attention if one serves both.</summary>
    public string? FeedForwardNorm { get; init; } = "post_attention_layernorm";
    public string? FeedForwardOutputNorm { get; init; }
    public string QueryNorm { get; init; } = "self_attn.q_norm";
    public string KeyNorm { get; init; } = "self_attn.k_norm";

    /// <summary>The projections to queries, keys and values; a single one gives all three.</summary>
    public IReadOnlyList<string> Qkv { get; init; } = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];
    public string Output { get; init; } = "self_attn.o_proj";

    /// <summary>The projections to gate and up; a single one gives both, or up alone.</summary>
    public IReadOnlyList<string> GateUp { get; init; } = ["mlp.gate_proj", "mlp.up_proj"];
    public string Down { get; init; } = "mlp.down_proj";

    /// <summary>Router and experts in the files, and the matrices of an expert there.</summary>
    public string Experts { get; init; } = "mlp";
    public (string Gate, string Up, string Down) Expert { get; init; } = ("gate_proj", "up_proj", "down_proj");

    /// <summary>Whether a path is that of a linear layer of a decoder layer.</summary>
    public bool IsLinear(string module)
    {
        if (!module.StartsWith(Layers + ".", StringComparison.Ordinal)) return false;
        var rest = module.AsSpan(Layers.Length + 1);
        var end = rest.IndexOf('.');
        return end > 0 && int.TryParse(rest[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && rest[..end].SequenceEqual(number.ToString(CultureInfo.InvariantCulture)) && IsLinearOfLayer(rest[(end + 1)..].ToString());
    }

    private bool IsLinearOfLayer(string name) => name == Output || name == Down || Qkv.Contains(name) || GateUp.Contains(name);
}
