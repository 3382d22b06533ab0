namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>The feed-forward network of a decoder layer: one network, or a mixture of experts.</summary>
internal interface IFeedForward
{
    /// <summary>The linear layers that are not part of a stack.</summary>
    IEnumerable<Linear> Linears { get; }

    /// <summary>Whether any tensor is trainable.</summary>
    bool IsTrainable { get; }

    /// <summary>
    /// Computes y[N, H] from x[N, H], plus r[N, H] if there is one; <paramref name="rows"/> names the rows of the batch that x holds if these are not
    /// all.
    /// </summary>
    Tensor Forward(PassContext context, Tensor x, Tensor? rows, Tensor? residual);
}
