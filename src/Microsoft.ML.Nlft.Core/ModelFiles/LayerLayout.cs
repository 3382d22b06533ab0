namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The modules of one decoder layer by the parts they play.</summary>
public sealed record LayerLayout
{
    /// <summary>The norm before attention, or null.</summary>
    public NormModule? AttentionNorm { get; init; }

    /// <summary>The norm after attention, before the sum with the residual stream; or null.</summary>
    public NormModule? AttentionOutputNorm { get; init; }

    /// <summary>The norm of queries, or null.</summary>
    public NormModule? QueryNorm { get; init; }

    /// <summary>The norm of keys, or null.</summary>
    public NormModule? KeyNorm { get; init; }

    /// <summary>The norm before the feed-forward network, or null; <see cref="AttentionNorm"/> if one serves both.</summary>
    public NormModule? FeedForwardNorm { get; init; }

    /// <summary>The norm after the feed-forward network, before the sum with the residual stream; or null.</summary>
    public NormModule? FeedForwardOutputNorm { get; init; }

    /// <summary>
    /// The projections to queries, keys and values; a single one gives all three, as <see cref="ModelConfiguration.QkvLayout"/> says.
    /// </summary>
    public required IReadOnlyList<LinearModule> Qkv { get; init; }

    /// <summary>The output projection of attention.</summary>
    public required LinearModule Output { get; init; }

    /// <summary>The router of the experts of this layer; null where there is one feed-forward network.</summary>
    public LinearModule? Router { get; init; }

    /// <summary>
    /// The projections to gate and up; a single one gives both, or up alone, as <see cref="ModelConfiguration.FeedForwardLayout"/> says. Of experts,
    /// one stack that gives both.
    /// </summary>
    public required IReadOnlyList<LinearModule> GateUp { get; init; }

    /// <summary>The output projection of the feed-forward network; of experts, a stack.</summary>
    public required LinearModule Down { get; init; }

    /// <summary>All linear layers, which LoRA can adapt, in the order of the forward pass.</summary>
    public IEnumerable<LinearModule> Linears => [.. Qkv, Output, .. Router is null ? [] : (LinearModule[])[Router], .. GateUp, Down];
}

/// <summary>A linear layer y = W x (+ b) of a decoder layer, or a stack of them, one per expert; W is out x in.</summary>
/// <param name="Name">Module path, for example <c>model.layers.0.mlp.up_proj</c>; of a stack <c>model.layers.0.mlp.experts.down_proj</c>.</param>
/// <param name="Outputs">Rows of W.</param>
/// <param name="Inputs">Columns of W.</param>
/// <param name="HasBias">Whether there is a bias.</param>
public sealed record LinearModule(string Name, int Outputs, int Inputs, bool HasBias)
{
    /// <summary>Whether W is stored transposed, in x out.</summary>
    public bool IsTransposed { get; init; }

    /// <summary>The number of experts in a stack; 1 (default) for a layer by itself.</summary>
    public int Experts { get; init; } = 1;

    /// <summary>Whether this is the router of a mixture of experts.</summary>
    public bool IsRouter { get; init; }

    /// <summary>The matrices in the weight files, expert by expert. Default: one, Name with .weight.</summary>
    public IReadOnlyList<LinearPart> Parts { get; init; } = [new(Name + ".weight", 0, 0, Outputs)];

    /// <summary>The number of weights in W, of all experts together.</summary>
    public long Size => (long)Experts * Outputs * Inputs;

    /// <summary>The shape of a part in the files.</summary>
    internal long[] StoredShape(LinearPart part) => IsTransposed ? [Inputs, part.Rows] : [part.Rows, Inputs];
}

/// <summary>A matrix in the weight files: rows of the matrix of a linear layer or of one of its experts.</summary>
/// <param name="Weight">The name of the tensor.</param>
/// <param name="Expert">The expert, 0 for a layer by itself.</param>
/// <param name="FirstRow">The first of its rows.</param>
/// <param name="Rows">Number of rows.</param>
public sealed record LinearPart(string Weight, int Expert, int FirstRow, int Rows);

/// <summary>A norm.</summary>
/// <param name="Name">Module path, for example <c>model.layers.0.input_layernorm</c>.</param>
/// <param name="Size">Number of values that it normalises together, and of its weights.</param>
/// <param name="HasBias">Whether there is a bias.</param>
public sealed record NormModule(string Name, int Size, bool HasBias);
