using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>The feed-forward network of a decoder layer: one network, or a mixture of experts.</summary>
internal interface IFeedForward
{
    /// <summary>All linear layers.</summary>
    IEnumerable<Linear> Linears { get; }

    /// <summary>Computes y[R x H] = residual + FFN(x[R x H]); fills <paramref name="a"/> for the backward pass.</summary>
    void Forward(EngineContext context, Matrix x, LayerActivations a, Matrix? residual, Matrix y);

    /// <summary>
    /// Computes dx[R x H] from dy[R x H] and adds to the gradients of the trainable weights; only the latter if <paramref name="dx"/> is null.
    /// </summary>
    void Backward(EngineContext context, Matrix x, LayerActivations a, Matrix dy, Matrix? dx);
}
