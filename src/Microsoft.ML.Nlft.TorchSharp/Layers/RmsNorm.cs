namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// RMSNorm (Zhang and Sennrich, arXiv 1910.07467): y = x / sqrt(mean(x^2) + eps) * w over the last dimension. The mean is computed in
/// float32 whatever the type of x; autograd stores x and one number per row for the backward pass.
/// </summary>
internal sealed class RmsNorm(Weight weight, double epsilon)
{
    private readonly Scalar _epsilon = epsilon;

    public Tensor Forward(Tensor x)
    {
        var inverse = x.square().mean([-1], keepdim: true, type: ScalarType.Float32).add(_epsilon).rsqrt();
        return (x * inverse).to_type(x.dtype) * weight.Values;
    }
}
