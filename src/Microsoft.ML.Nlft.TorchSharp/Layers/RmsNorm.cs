namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// RMSNorm (Zhang and Sennrich, arXiv 1910.07467): y = x / sqrt(mean(x^2) + eps) * w over the last dimension. The mean is computed in
/// float32 whatever the type of x; autograd stores x and one number per row for the backward pass. The norms of gemma multiply by 1 + w instead, in
/// float32.
/// </summary>
internal sealed class RmsNorm(Weight weight, double epsilon, bool plusOne) : INorm
{
    // Fields: temporary scalars, such as a missing factor of a sum or the exponent of square(), could be collected during the native call.
    private readonly Scalar _epsilon = epsilon, _one = 1, _two = 2;

    public Tensor Forward(Tensor x)
    {
        var inverse = x.pow(_two).mean([-1], keepdim: true, type: ScalarType.Float32).Plus(_epsilon).rsqrt();
        if (plusOne) return (x * inverse * weight.Values.to_type(ScalarType.Float32).Plus(_one)).to_type(x.dtype);
        return (x * inverse).to_type(x.dtype) * weight.Values;
    }
}
