using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>LayerNorm (Ba et al., arXiv 1607.06450): y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * w + b over the last dimension.</summary>
internal sealed class LayerNorm(Weight weight, Weight bias, double epsilon) : INorm
{
    public Tensor Forward(Tensor x) => functional.layer_norm(x, [x.shape[^1]], weight.Values, bias.Values, epsilon);
}
