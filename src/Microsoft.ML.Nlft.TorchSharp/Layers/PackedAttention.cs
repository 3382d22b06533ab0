using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Causal grouped-query attention within each sequence of a packed batch. Each sequence is one call of scaled_dot_product_attention without padding:
/// its result does not depend on the other sequences, and the causal kernels need no mask. Only a sequence longer than a sliding window needs one,
/// and a model with a soft cap, for which <see cref="CappedAttention"/> computes.
/// </summary>
internal sealed class PackedAttention(ModelConfiguration configuration, PackedBatch batch, DeviceContext context)
{
    private readonly long _group = configuration.HeadCount / configuration.KeyValueHeadCount;
    private readonly CappedAttention? _capped = CappedAttention.Of(configuration);
    private readonly Dictionary<(int Window, int Length), Tensor> _masks = []; // detached from dispose scopes; Release disposes them

    /// <summary>Computes o[N, heads d] from q[N, heads, d] and k, v[N, kvHeads, d].</summary>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v)
    {
        if (_group > 1) (k, v) = (k.repeat_interleave(_group, 1), v.repeat_interleave(_group, 1));
        var outputs = new Tensor[batch.Count];
        for (var s = 0; s < batch.Count; s++)
        {
            int start = batch.Starts[s], length = batch.Length(s), window = configuration.SlidingWindows[layer];
            var mask = window > 0 && window < length ? Mask(window, length) : _capped is null ? null : Mask(length, length);
            var output = _capped?.Forward(Heads(q), Heads(k), Heads(v), mask!)
                ?? functional.scaled_dot_product_attention(Heads(q), Heads(k), Heads(v), mask, is_casual: mask is null);
            outputs[s] = output.squeeze(0).transpose(0, 1);

            Tensor Heads(Tensor x) => x.narrow(0, start, length).transpose(0, 1).unsqueeze(0); // [1, heads, T, d]
        }
        return cat(outputs).flatten(1);
    }

    /// <summary>Returns the mask [T, T], true where query i sees key j: i - window &lt; j &lt;= i.</summary>
    private Tensor Mask(int window, int length)
    {
        if (_masks.TryGetValue((window, length), out var mask)) return mask;
        var positions = arange(length, dtype: ScalarType.Int64, device: context.Device);
        var distance = positions.unsqueeze(1) - positions.unsqueeze(0);
        return _masks[(window, length)] = distance.ge(0).logical_and(distance.lt(window)).DetachFromDisposeScope();
    }

    /// <summary>Disposes the masks.</summary>
    public void Release()
    {
        foreach (var mask in _masks.Values) mask.Dispose();
        _masks.Clear();
    }
}
