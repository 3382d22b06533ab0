namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// RMSNorm (Zhang and Sennrich, arXiv 1910.07467): y = x / sqrt(mean(x^2) + eps) * w over the last dimension. The mean is computed in
/// float32 whatever the type of x; autograd stores x and one number per row for the backward pass. The norms of gemma multiply by 1 + w instead, in
/// float32.
/// </summary>
internal sealed class RmsNorm(Weight weight, bool plusOne, FusedOperators operators) : INorm
{
    private readonly Scalar _one = 1; // a field: a temporary one could be collected during the native call

    public Tensor Forward(Tensor x) => !plusOne ? operators.RmsNorm(x, weight.Values)
        : (x * operators.InverseRoot(x) * weight.Values.to_type(ScalarType.Float32).Plus(_one)).to_type(x.dtype);
}
