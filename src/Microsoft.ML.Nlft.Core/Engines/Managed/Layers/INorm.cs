using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>A norm over groups of columns.</summary>
internal interface INorm
{
    /// <summary>Whether its tensors are trainable.</summary>
    bool IsTrainable { get; }

    /// <summary>Computes y[N x G n] = norm(x[N x G n]). x and y may be the same matrix.</summary>
    void Forward(EngineContext context, Matrix x, Matrix y);

    /// <summary>
    /// Computes dx (+)= the gradient of the input from dy and adds to the gradients of the trainable tensors. dy and dx may be the same matrix unless
    /// accumulating.
    /// </summary>
    void Backward(EngineContext context, Matrix x, Matrix dy, Matrix dx, bool accumulate);
}
