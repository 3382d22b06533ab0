using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Causal grouped-query attention within each sequence of a packed batch. Every sequence is one call of scaled_dot_product_attention without
/// padding, so that its result does not depend on its neighbours and the causal kernels need no mask; only a window that a sequence
/// outgrows needs one.
/// </summary>
internal sealed class PackedAttention(ModelConfiguration configuration, PackedBatch batch, DeviceContext context)
{
    private readonly long _group = configuration.HeadCount / configuration.KeyValueHeadCount;
    private readonly Dictionary<(int Window, int Length), Tensor> _masks = []; // they live as long as the scope they are first used in

    /// <summary>[N, heads d] from q[N, heads, d] and k, v[N, kvHeads, d].</summary>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v)
    {
        if (_group > 1) (k, v) = (k.repeat_interleave(_group, 1), v.repeat_interleave(_group, 1));
        var outputs = new Tensor[batch.Count];
        for (var s = 0; s < batch.Count; s++)
        {
            int start = batch.Starts[s], length = batch.Length(s), window = configuration.SlidingWindows[layer];
            var mask = window > 0 && window < length ? Mask(window, length) : null;
            outputs[s] = functional.scaled_dot_product_attention(Heads(q), Heads(k), Heads(v), mask, is_casual: mask is null).squeeze(0).transpose(0, 1);

            Tensor Heads(Tensor x) => x.narrow(0, start, length).transpose(0, 1).unsqueeze(0); // [1, heads, T, d]
        }
        return cat(outputs).flatten(1);
    }

    /// <summary>[T, T], true where query i may see key j: i - window &lt; j &lt;= i.</summary>
    private Tensor Mask(int window, int length)
    {
        if (_masks.TryGetValue((window, length), out var mask)) return mask;
        var positions = arange(length, dtype: ScalarType.Int64, device: context.Device);
        var distance = positions.unsqueeze(1) - positions.unsqueeze(0);
        return _masks[(window, length)] = distance.ge(0).logical_and(distance.lt(window)).DetachFromDisposeScope();
    }

    public void Release()
    {
        foreach (var mask in _masks.Values) mask.Dispose();
        _masks.Clear();
    }
}
