namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>A norm over the last dimension.</summary>
internal interface INorm
{
    /// <summary>Returns norm(x), of the shape and type of x.</summary>
    Tensor Forward(Tensor x);
}
