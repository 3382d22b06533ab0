using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The dropout masks of one pass, as <see cref="DropoutMask"/> defines them, computed on the device in 32-bit integers. The random generators of
/// libtorch do not serve: TorchSharp cannot create one for a GPU, and all of the process shares the default one.
/// </summary>
internal sealed class Dropout
{
    private readonly DropoutKeys _keys;

    /// <summary>Computes the keys of all rows in all modules.</summary>
    /// <param name="batch">The batch of N rows.</param>
    /// <param name="keys">The keys of the modules and features.</param>
    public Dropout(PackedBatch batch, DropoutKeys keys)
    {
        _keys = keys;
        using var scope = NewDisposeScope();
        var positions = new int[batch.Rows];
        for (var s = 0; s < batch.Count; s++)
        {
            for (var row = batch.Starts[s]; row < batch.Starts[s + 1]; row++)
                positions[row] = (int)DropoutMask.PositionKey(batch.DropoutSeeds[s], batch.Positions[row]);
        }
        // Disposed at the end: temporary scalars could be collected during the native call.
        using Scalar first = unchecked((int)DropoutMask.FirstFactor), second = unchecked((int)DropoutMask.SecondFactor);
        var x = keys.Modules.bitwise_xor(tensor(positions, [1, batch.Rows, 1], device: keys.Modules.device));
        XorShift(16);
        x.mul_(first);
        XorShift(15);
        x.mul_(second);
        XorShift(16);
        Rows = x.bitwise_or_(1).MoveToOuterDisposeScope();

        // x ^= x >> bits as a logical shift: the mask removes the copies of the sign bit.
        void XorShift(int bits)
        {
            using var shifted = x.bitwise_right_shift(bits).bitwise_and_(int.MaxValue >> bits - 1);
            x.bitwise_xor_(shifted);
        }
    }

    /// <summary>The keys of all rows in all modules, [modules, N, 1].</summary>
    public Tensor Rows { get; }

    /// <summary>
    /// Returns the mask [N, features] of a module by its number, true where kept; of some rows of the batch if <paramref name="rows"/> names them.
    /// </summary>
    public Tensor Mask(int module, Scalar threshold, long features, Tensor? rows = null)
    {
        var key = Rows.select(0, module);
        if (rows is not null) key = key.index_select(0, rows);
        return key.mul(_keys.Features(features)).ge(threshold);
    }
}

/// <summary>The keys of <see cref="DropoutMask"/> that belong to a model: of its adapted modules, and of the features of the widest one.</summary>
/// <param name="modules">What <see cref="DropoutMask.ModuleKey"/> gives for each.</param>
/// <param name="features">The most features of a module.</param>
/// <param name="device">The device.</param>
internal sealed class DropoutKeys(IReadOnlyList<uint> modules, int features, Device device) : IDisposable
{
    private readonly Tensor _features = tensor(DropoutMask.FeatureKeys(features), [features], device: device).DetachFromDisposeScope();
    private readonly Dictionary<long, Tensor> _firsts = [];

    /// <summary>The keys of the modules, [modules, 1, 1].</summary>
    public Tensor Modules { get; } = tensor([.. modules.Select(key => (int)key)], [modules.Count, 1, 1], device: device).DetachFromDisposeScope();

    /// <summary>The keys of the first features.</summary>
    public Tensor Features(long count)
    {
        if (!_firsts.TryGetValue(count, out var keys)) _firsts.Add(count, keys = _features.narrow(0, 0, count).DetachFromDisposeScope());
        return keys;
    }

    public void Dispose()
    {
        foreach (var keys in _firsts.Values) keys.Dispose();
        _features.Dispose();
        Modules.Dispose();
    }
}
