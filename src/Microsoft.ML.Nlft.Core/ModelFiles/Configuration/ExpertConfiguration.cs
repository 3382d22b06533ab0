namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A mixture of experts (Shazeer et al., arXiv 1701.06538; Jiang et al., arXiv 2401.04088) in place of a layer's feed-forward network:
/// p = softmax(W x) over all experts, y = sum over the k likeliest of w_e expert_e(x), where w_e is p_e, or p_e divided by the sum of the k.
/// </summary>
public sealed record ExpertConfiguration
{
    /// <summary>Number of experts in a layer (num_local_experts or num_experts).</summary>
    public required int Count { get; init; }

    /// <summary>k, the experts that compute a token, from 1 to <see cref="Count"/> (num_experts_per_tok).</summary>
    public required int PerToken { get; init; }

    /// <summary>Width of an expert (moe_intermediate_size of qwen3_moe, intermediate_size of mixtral).</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Whether the weights of a token's experts add up to 1 (norm_topk_prob of qwen3_moe; mixtral: always). Default true.</summary>
    public bool NormalizeWeights { get; init; } = true;

    /// <summary>Per layer whether it has experts (mlp_only_layers and decoder_sparse_step of qwen3_moe); null (default): all do.</summary>
    public IReadOnlyList<bool>? Layers { get; init; }
}
