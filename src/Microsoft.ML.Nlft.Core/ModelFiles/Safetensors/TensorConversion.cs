using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Converts between the element types of weight files (F32, F16, BF16, F64; little-endian bytes) and float32.</summary>
public static class TensorConversion
{
    /// <summary>Widens (F64: rounds) stored values to float32.</summary>
    /// <param name="type">Element type of <paramref name="source"/>: F32, F16, BF16 or F64.</param>
    /// <param name="source">The stored bytes; they need not be aligned.</param>
    /// <param name="destination">Receives one value per stored element; its length must be exactly that.</param>
    /// <exception cref="ArgumentOutOfRangeException">The type is none of these.</exception>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void ToSingle(TensorType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        RequireSameLength(type, source.Length, destination.Length);
        switch (type)
        {
            case TensorType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                break;
            case TensorType.BF16:
                WidenBFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case TensorType.F16:
                var halves = MemoryMarshal.Cast<byte, Half>(source);
                for (var i = 0; i < halves.Length; i++) destination[i] = (float)halves[i];
                break;
            case TensorType.F64:
                var doubles = MemoryMarshal.Cast<byte, double>(source);
                for (var i = 0; i < doubles.Length; i++) destination[i] = (float)doubles[i];
                break;
        }
    }

    /// <summary>Narrows float32 values to stored ones, rounding to nearest even; NaN stays NaN, values beyond the type become infinite.</summary>
    /// <param name="type">Element type of <paramref name="destination"/>: F32, F16, BF16 or F64.</param>
    /// <param name="source">The values.</param>
    /// <param name="destination">Receives the bytes; its length must be exactly that of the values.</param>
    /// <exception cref="ArgumentOutOfRangeException">The type is none of these.</exception>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void FromSingle(TensorType type, ReadOnlySpan<float> source, Span<byte> destination)
    {
        RequireSameLength(type, destination.Length, source.Length);
        switch (type)
        {
            case TensorType.F32:
                MemoryMarshal.AsBytes(source).CopyTo(destination);
                break;
            case TensorType.BF16:
                NarrowToBFloat16(source, MemoryMarshal.Cast<byte, ushort>(destination));
                break;
            case TensorType.F16:
                var halves = MemoryMarshal.Cast<byte, Half>(destination);
                for (var i = 0; i < source.Length; i++) halves[i] = (Half)source[i];
                break;
            case TensorType.F64:
                var doubles = MemoryMarshal.Cast<byte, double>(destination);
                for (var i = 0; i < source.Length; i++) doubles[i] = source[i];
                break;
        }
    }

    /// <summary>
    /// The upper half of the float32 bits, rounded to nearest even: adding 0x7FFF plus the last kept bit carries exactly when it must.
    /// </summary>
    private static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private static void NarrowToBFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        var i = 0;
        for (; i <= source.Length - 16; i += 16) Vector256.Narrow(Upper(source[i..]), Upper(source[(i + 8)..])).CopyTo(destination[i..]);
        for (; i < source.Length; i++) destination[i] = ToBFloat16(source[i]);

        static Vector256<uint> Upper(ReadOnlySpan<float> source) // as ToBFloat16
        {
            var value = Vector256.Create(source);
            var bits = value.AsUInt32();
            var rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
            return Vector256.ConditionalSelect(Vector256.IsNaN(value).AsUInt32(), (bits >> 16) | Vector256.Create(0x40u), rounded);
        }
    }

    private static void WidenBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        var target = MemoryMarshal.Cast<float, uint>(destination);
        var i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out var low, out var high);
            Vector.ShiftLeft(low, 16).CopyTo(target[i..]);
            Vector.ShiftLeft(high, 16).CopyTo(target[(i + Vector<uint>.Count)..]);
        }
        for (; i < source.Length; i++) target[i] = (uint)source[i] << 16;
    }

    private static void RequireSameLength(TensorType type, int bytes, int values)
    {
        if (!type.IsSupportedFloat()) throw new ArgumentOutOfRangeException(nameof(type), type, "expected F32, F16, BF16 or F64");
        if (bytes != (long)values * type.ByteSize()) throw new ArgumentException($"{bytes} bytes of {type} do not hold {values} values.");
    }
}
