namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>A part of the network that autograd differentiates: a leaf, which the graph owns, and the output computed from it.</summary>
internal sealed class Graph : IDisposable
{
    private readonly bool _needsGradient;

    /// <summary>Starts at an input, whose gradient may be needed.</summary>
    public Graph(Tensor input, bool needsGradient)
    {
        (Input, _needsGradient) = (input.DetachFromDisposeScope(), needsGradient);
        input.requires_grad = needsGradient;
    }

    public Tensor Input { get; }

    /// <summary>The output; null before <see cref="Keep"/>.</summary>
    public Tensor? Output { get; private set; }

    /// <summary>Takes over the output.</summary>
    public void Keep(Tensor output) => Output = output.DetachFromDisposeScope();

    /// <summary>
    /// Accumulates the gradients of the part's parameters, frees the graph and returns the gradient of the input (or the given gradient if the
    /// input needs none).
    /// </summary>
    public Tensor Backward(Tensor gradient)
    {
        if (Output!.requires_grad) Output.backward([gradient]);
        var result = _needsGradient ? Input.grad!.alias() : gradient.alias();
        Dispose();
        return result;
    }

    public void Dispose()
    {
        Output?.Dispose();
        Input.Dispose();
    }
}
