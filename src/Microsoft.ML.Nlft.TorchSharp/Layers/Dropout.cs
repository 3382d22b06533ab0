using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The dropout masks of one pass, as <see cref="DropoutMask"/> defines them, computed on the device in 32-bit integers. The random generators of
/// libtorch do not serve: TorchSharp cannot create one for a GPU, and all of the process shares the default one.
/// </summary>
internal sealed class Dropout
{
    private const int SignBit = int.MinValue;

    /// <summary>Computes the keys of all rows in all modules.</summary>
    /// <param name="batch">The batch of N rows.</param>
    /// <param name="modules">The keys of the adapted modules, <see cref="DropoutMask.ModuleKey"/>.</param>
    /// <param name="device">The device that computes the masks.</param>
    public Dropout(PackedBatch batch, IReadOnlyList<ulong> modules, Device device)
    {
        var keys = new int[modules.Count * batch.Rows];
        var next = 0;
        foreach (var module in modules)
        {
            for (var s = 0; s < batch.Count; s++)
            {
                for (var row = batch.Starts[s]; row < batch.Starts[s + 1]; row++)
                {
                    keys[next++] = unchecked((int)DropoutMask.RowKey(batch.DropoutSeeds[s], module, batch.Positions[row]));
                }
            }
        }
        Keys = tensor(keys, [modules.Count, batch.Rows], device: device);
    }

    /// <summary>The keys of all rows in all modules, [modules, N]; copied once per pass, because each copy waits for the device.</summary>
    public Tensor Keys { get; }

    /// <summary>
    /// Returns the mask [N, features] of a module by its number, true where kept; of some rows of the batch if <paramref name="rows"/> names them.
    /// </summary>
    public Tensor Mask(int module, double probability, long features, Tensor? rows = null)
    {
        using var scope = NewDisposeScope();
        var key = Keys.select(0, module);
        if (rows is not null) key = key.index_select(0, rows);
        // Disposed at the end: temporary scalars could be collected during the native call.
        using Scalar step = unchecked((int)DropoutMask.FeatureStep), first = unchecked((int)DropoutMask.FirstFactor);
        using Scalar second = unchecked((int)DropoutMask.SecondFactor), threshold = unchecked((int)DropoutMask.Threshold(probability)) ^ SignBit;
        var x = key.unsqueeze(1) ^ arange(features, ScalarType.Int32, Keys.device).mul_(step);
        XorShift(16);
        x.mul_(first);
        XorShift(15);
        x.mul_(second);
        XorShift(16);
        // Signed numbers compare like unsigned ones once the sign bits of both are flipped.
        return x.bitwise_xor_(SignBit).ge(threshold).MoveToOuterDisposeScope();

        // x ^= x >> bits as a logical shift: the mask removes the copies of the sign bit.
        void XorShift(int bits)
        {
            using var shifted = x.bitwise_right_shift(bits).bitwise_and_(int.MaxValue >> bits - 1);
            x.bitwise_xor_(shifted);
        }
    }
}
