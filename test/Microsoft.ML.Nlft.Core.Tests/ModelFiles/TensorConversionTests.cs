using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

[TestClass]
public sealed class TensorConversionTests
{
    [TestMethod]
    public void ToAndFromSingle_EveryBFloat16_IsWidenedExactlyAndComesBack()
    {
        var stored = Enumerable.Range(0, 65536).Select(i => (ushort)i).ToArray();
        var bytes = MemoryMarshal.AsBytes<ushort>(stored);
        var values = new float[65536];
        TensorConversion.ToSingle(TensorType.BF16, bytes, values);
        for (var i = 0; i < 65536; i++) Assert.AreEqual((uint)i << 16, BitConverter.SingleToUInt32Bits(values[i]));
        var back = new byte[bytes.Length];
        TensorConversion.FromSingle(TensorType.BF16, values, back);
        for (var i = 0; i < 65536; i++)
        {
            if (float.IsNaN(values[i])) Assert.AreEqual(i | 0x40, BitConverter.ToUInt16(back, 2 * i), "NaN stays NaN, made quiet");
            else Assert.AreEqual(i, BitConverter.ToUInt16(back, 2 * i));
        }
    }

    [TestMethod]
    [DataRow(0x3F800000u, 0x3F80, DisplayName = "exact")]
    [DataRow(0x3F808000u, 0x3F80, DisplayName = "half-way: to even, down")]
    [DataRow(0x3F818000u, 0x3F82, DisplayName = "half-way: to even, up")]
    [DataRow(0x3F808001u, 0x3F81, DisplayName = "above half-way")]
    [DataRow(0x7F7FFFFFu, 0x7F80, DisplayName = "largest float: infinite")]
    [DataRow(0x7F800001u, 0x7FC0, DisplayName = "NaN with low bits only")]
    [DataRow(0xFFFFFFFFu, 0xFFFF, DisplayName = "negative NaN")]
    [DataRow(0x80000000u, 0x8000, DisplayName = "minus zero")]
    public void FromSingle_BFloat16_RoundsToNearestEven(uint bits, int expected)
    {
        const int Count = 19; // a whole vector and what is left
        var bytes = new byte[2 * Count];
        TensorConversion.FromSingle(TensorType.BF16, [.. Enumerable.Repeat(BitConverter.UInt32BitsToSingle(bits), Count)], bytes);
        for (var i = 0; i < Count; i++) Assert.AreEqual(expected, BitConverter.ToUInt16(bytes, 2 * i), $"value {i}");
    }

    [TestMethod]
    public void ToAndFromSingle_HalfAndDouble_AreConvertedAtAnyAlignment()
    {
        float[] values = [0, -1.5f, 65504, 1e-7f, float.NegativeInfinity];
        var halves = new byte[1 + 10];
        TensorConversion.FromSingle(TensorType.F16, values, halves.AsSpan(1));
        var read = new float[5];
        TensorConversion.ToSingle(TensorType.F16, halves.AsSpan(1), read);
        CollectionAssert.AreEqual(values.Select(value => (float)(Half)value).ToArray(), read);
        var doubles = new byte[1 + 40];
        TensorConversion.FromSingle(TensorType.F64, values, doubles.AsSpan(1));
        Assert.AreEqual(-1.5, BitConverter.ToDouble(doubles, 9));
        TensorConversion.ToSingle(TensorType.F64, doubles.AsSpan(1), read);
        CollectionAssert.AreEqual(values, read);
    }

    [TestMethod]
    public void ToAndFromSingle_OtherTypesAndLengths_AreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TensorConversion.ToSingle(TensorType.I32, new byte[4], new float[1]));
        Assert.ThrowsExactly<ArgumentException>(() => TensorConversion.ToSingle(TensorType.F32, new byte[4], new float[2]));
        Assert.ThrowsExactly<ArgumentException>(() => TensorConversion.FromSingle(TensorType.F16, new float[2], new byte[6]));
    }
}
