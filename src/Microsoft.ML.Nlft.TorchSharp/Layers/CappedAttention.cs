using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Attention with a soft cap c on the scores: softmax(c tanh(s / c)) V with s = Q K^T / sqrt(d), which scaled_dot_product_attention does not compute.
/// From the scores to the softmax in float32.
/// </summary>
internal sealed class CappedAttention(double cap, int headSize)
{
    // Fields: temporary scalars could be collected during the native call.
    private readonly Scalar _factor = 1 / (cap * Math.Sqrt(headSize)), _cap = cap, _hidden = double.NegativeInfinity;

    /// <summary>Returns the attention of a model with a soft cap, null for other models.</summary>
    public static CappedAttention? Of(ModelConfiguration configuration) =>
        configuration.AttentionSoftCap is { } cap ? new(cap, configuration.HeadSize) : null;

    /// <summary>Computes o[..., n, d] from q[..., n, d] and k, v[..., T, d]; the mask [..., n, T] is true where a query sees a key.</summary>
    public Tensor Forward(Tensor q, Tensor k, Tensor v, Tensor mask)
    {
        var capped = q.matmul(k.transpose(-2, -1)).to_type(ScalarType.Float32).mul(_factor).tanh().mul(_cap);
        return capped.masked_fill(mask.logical_not(), _hidden).softmax(-1).to_type(v.dtype).matmul(v);
    }
}
