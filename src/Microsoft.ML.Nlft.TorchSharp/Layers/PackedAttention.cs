using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Causal grouped-query attention within each sequence of a packed batch: one call for all sequences of one length. Lengths are rounded up to a
/// multiple of 64 unless all are equal; the rows that fill up a sequence stand at its end, where causality hides them. Only a sequence longer than a
/// sliding window needs a mask, and a model with a soft cap, for which <see cref="CappedAttention"/> computes.
/// </summary>
internal sealed class PackedAttention : IDisposable
{
    private const int Step = 64;

    private readonly ModelConfiguration _configuration;
    private readonly DeviceContext _context;
    private readonly FusedOperators _operators;
    private readonly CappedAttention? _capped;
    private readonly List<Group> _groups = [];
    private readonly Tensor? _order; // [N]: where the row of the batch is among those of all groups; null: all rows in their order
    private readonly Dictionary<(int Window, int Length), Tensor> _masks = []; // detached from dispose scopes

    public PackedAttention(ModelConfiguration configuration, PackedBatch batch, DeviceContext context, FusedOperators operators)
    {
        (_configuration, _context, _operators, _capped) = (configuration, context, operators, CappedAttention.Of(configuration));
        var lengths = Enumerable.Range(0, batch.Count).Select(batch.Length).ToArray();
        if (lengths.Distinct().Count() == 1)
        {
            _groups.Add(new(lengths.Length, lengths[0], null));
            return;
        }
        var (order, next) = (new int[batch.Rows], 0);
        foreach (var group in Enumerable.Range(0, batch.Count).GroupBy(s => (lengths[s] + Step - 1) / Step * Step))
        {
            var rows = new List<int>();
            foreach (var s in group)
            {
                for (var i = 0; i < group.Key; i++)
                {
                    rows.Add(batch.Starts[s] + Math.Min(i, lengths[s] - 1)); // the last one once more
                    if (i < lengths[s]) order[batch.Starts[s] + i] = next;
                    next++;
                }
            }
            _groups.Add(new(group.Count(), group.Key, context.Indices([.. rows]).DetachFromDisposeScope()));
        }
        _order = context.Indices(order).DetachFromDisposeScope();
    }

    /// <summary>Computes o[N, heads d] from q[N, heads, d] and k, v[N, kvHeads, d].</summary>
    public Tensor Forward(int layer, Tensor q, Tensor k, Tensor v)
    {
        var outputs = _groups.ConvertAll(group =>
        {
            int length = group.Length, window = _configuration.SlidingWindows[layer];
            var mask = window > 0 && window < length ? Mask(window, length) : _capped is null ? null : Mask(length, length);
            var output = _capped?.Forward(Heads(group, q), Heads(group, k, repeated: true), Heads(group, v, repeated: true), mask!)
                ?? _operators.Attention(Heads(group, q), Heads(group, k), Heads(group, v), mask);
            return output.transpose(1, 2).reshape([group.Count * length, -1]);
        });
        var all = outputs is [var single] ? single : cat(outputs);
        return _order is null ? all : all.index_select(0, _order);
    }

    /// <summary>The heads of a group's sequences, [B, heads, T, d], of x[N, heads, d]; repeated so that every query has a key.</summary>
    private Tensor Heads(Group group, Tensor x, bool repeated = false)
    {
        if (group.Rows is not null) x = x.index_select(0, group.Rows);
        var heads = x.view([group.Count, group.Length, x.shape[1], x.shape[2]]).transpose(1, 2);
        return repeated ? heads.repeat_interleave(_configuration.HeadCount / _configuration.KeyValueHeadCount, 1) : heads;
    }

    /// <summary>Returns the mask [T, T], true where query i sees key j: i - window &lt; j &lt;= i.</summary>
    private Tensor Mask(int window, int length)
    {
        if (_masks.TryGetValue((window, length), out var mask)) return mask;
        var positions = arange(length, dtype: ScalarType.Int64, device: _context.Device);
        var distance = positions.unsqueeze(1) - positions.unsqueeze(0);
        return _masks[(window, length)] = distance.ge(0).logical_and(distance.lt(window)).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        foreach (var mask in _masks.Values) mask.Dispose();
        foreach (var group in _groups) group.Rows?.Dispose();
        _order?.Dispose();
    }

    /// <summary>Sequences that are computed together.</summary>
    /// <param name="Count">Their number, B.</param>
    /// <param name="Length">The length that all of them have or are filled up to, T.</param>
    /// <param name="Rows">The rows of the batch, [B T]; null: all rows in their order.</param>
    private sealed record Group(int Count, int Length, Tensor? Rows);
}
