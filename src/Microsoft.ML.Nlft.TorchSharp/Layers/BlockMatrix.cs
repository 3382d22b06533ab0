using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// A frozen matrix [out, in] in 4 bits, blocks of 32 elements of a row that share a scale d: w = d (q - 8). q and d follow the rule of Q4_0 in GGUF
/// files and are those of the managed engine: d = x / -8, x the weight of the largest magnitude with its sign, q = min(15, trunc(w / d + 8.5)), then
/// d is rounded to float16.
/// </summary>
internal sealed class BlockMatrix : IDisposable
{
    /// <summary>Elements of a block; zeros fill up the last one of a row.</summary>
    private const int Length = 32;

    private readonly Tensor _nibbles; // uint8 [out, blocks, 16]: the first half of a block low, the second high
    private readonly Tensor _scales; // float16 [out, blocks, 1, 1]
    private readonly long _columns;

    /// <summary>Quantizes a matrix.</summary>
    public BlockMatrix(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        // Disposed at the end: temporary scalars could be collected during the native call.
        using Scalar eighth = -0.125, half = 8.5, zero = 0, most = 15;
        _columns = matrix.shape[1];
        var missing = -_columns & (Length - 1);
        var wide = matrix.to_type(float32);
        if (missing > 0) wide = functional.pad(wide, [0, missing]);
        wide = wide.view([matrix.shape[0], -1, Length]);
        var scales = wide.gather(2, wide.abs().argmax(2, keepdim: true)).mul(eighth);
        var inverse = scales.reciprocal().masked_fill_(scales.eq(zero), zero);
        var q = wide.mul(inverse).add_(half).clamp_max_(most).to_type(uint8).chunk(2, 2);
        _nibbles = q[0].bitwise_or(q[1].bitwise_left_shift(4)).DetachFromDisposeScope();
        _scales = scales.to_type(float16).unsqueeze(3).DetachFromDisposeScope();
    }

    private BlockMatrix(Tensor nibbles, Tensor scales, long columns) =>
        (_nibbles, _scales, _columns) = (nibbles.DetachFromDisposeScope(), scales.DetachFromDisposeScope(), columns);

    /// <summary>The bytes of a row: of whole blocks, their elements and their scales.</summary>
    public static long RowBytes(long columns) => (columns + Length - 1) / Length * (Length / 2 + 2);

    /// <summary>Copies matrices of equal widths one below the other.</summary>
    public static BlockMatrix Stack(IReadOnlyList<BlockMatrix> parts) =>
        new(cat([.. parts.Select(part => part._nibbles)]), cat([.. parts.Select(part => part._scales)]), parts[0]._columns);

    /// <summary>Shows some rows.</summary>
    public BlockMatrix Rows(long first, long count) => new(_nibbles.narrow(0, first, count), _scales.narrow(0, first, count), _columns);

    /// <summary>Returns the values in a floating-point type, each rounded once.</summary>
    public Tensor Widen(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using Scalar middle = 8;
        var q = stack([_nibbles.bitwise_and(15), _nibbles.bitwise_right_shift(4)], 2).to_type(type); // [out, blocks, 2, 16]
        var values = q.sub_(middle).mul_(_scales.to_type(float32)).view([_nibbles.shape[0], -1]);
        return values.narrow(1, 0, _columns).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _nibbles.Dispose();
        _scales.Dispose();
    }
}
