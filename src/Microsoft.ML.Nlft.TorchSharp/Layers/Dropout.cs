using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Dropout of one pass by <see cref="DropoutMask"/>, computed on the device in 32-bit integers. Not by a generator of libtorch: TorchSharp makes none for a GPU,
/// and the GPU's default one is everybody's.
/// </summary>
internal sealed class Dropout
{
    private const int SignBit = int.MinValue;

    /// <param name="batch">The N rows.</param>
    /// <param name="modules">The keys of the adapted modules, <see cref="DropoutMask.ModuleKey"/>.</param>
    /// <param name="device">Where the masks are computed.</param>
    public Dropout(PackedBatch batch, IReadOnlyList<ulong> modules, Device device)
    {
        var keys = new int[modules.Count * batch.Rows];
        var next = 0;
        foreach (var module in modules)
            for (var s = 0; s < batch.Count; s++)
                for (var row = batch.Starts[s]; row < batch.Starts[s + 1]; row++)
                    keys[next++] = unchecked((int)DropoutMask.RowKey(batch.DropoutSeeds[s], module, batch.Positions[row]));
        Keys = tensor(keys, [modules.Count, batch.Rows], device: device);
    }

    /// <summary>The keys of all rows in all modules, [modules, N]: copied to the device once a pass, since it waits for every copy.</summary>
    public Tensor Keys { get; }

    /// <summary>[N, features], true where kept, for a module by its number; only those rows of the batch when <paramref name="rows"/> names some.</summary>
    public Tensor Mask(int module, double probability, long features, Tensor? rows = null)
    {
        using var scope = NewDisposeScope();
        var key = Keys.select(0, module);
        if (rows is not null) key = key.index_select(0, rows);
        var x = key.unsqueeze(1) ^ arange(features, ScalarType.Int32, Keys.device).mul_(unchecked((int)DropoutMask.FeatureStep));
        XorShift(16);
        x.mul_(unchecked((int)DropoutMask.FirstFactor));
        XorShift(15);
        x.mul_(unchecked((int)DropoutMask.SecondFactor));
        XorShift(16);
        // unsigned numbers compare as signed ones do, once the sign bit of both is the other way round
        return x.bitwise_xor_(SignBit).ge(unchecked((int)DropoutMask.Threshold(probability)) ^ SignBit).MoveToOuterDisposeScope();

        // x ^= x >> bits, without the copies of the sign bit that a shift of signed numbers brings in
        void XorShift(int bits)
        {
            using var shifted = x.bitwise_right_shift(bits).bitwise_and_(int.MaxValue >> bits - 1);
            x.bitwise_xor_(shifted);
        }
    }
}
