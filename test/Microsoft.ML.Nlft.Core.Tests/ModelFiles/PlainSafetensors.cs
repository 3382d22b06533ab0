using System.Buffers.Binary;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>
/// A second reader of the format that shares no code with the product: the whole file in memory, the header as a document, values one by one from
/// their bits.
/// </summary>
internal sealed record PlainSafetensors(Dictionary<string, string> Metadata, Dictionary<string, (int[] Shape, float[] Values)> Tensors)
{
    public static PlainSafetensors Read(string path)
    {
        var file = File.ReadAllBytes(path);
        var headerLength = checked((int)BitConverter.ToUInt64(file));
        Assert.AreEqual(0, headerLength % 8, "the data is aligned");
        Assert.AreEqual((byte)'{', file[8]);
        using var header = JsonDocument.Parse(file.AsMemory(8, headerLength));
        var read = new PlainSafetensors([], []);
        var covered = 0L;
        foreach (var entry in header.RootElement.EnumerateObject())
        {
            if (entry.NameEquals("__metadata__"))
            {
                foreach (var pair in entry.Value.EnumerateObject()) read.Metadata.Add(pair.Name, pair.Value.GetString()!);
                continue;
            }
            int[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())];
            var (begin, end) = (entry.Value.GetProperty("data_offsets")[0].GetInt32(), entry.Value.GetProperty("data_offsets")[1].GetInt32());
            var dtype = entry.Value.GetProperty("dtype").GetString()!;
            var count = shape.Aggregate(1, (product, size) => product * size);
            var size = (end - begin) / count;
            read.Tensors.Add(entry.Name,
                (shape, [.. Enumerable.Range(0, count).Select(i => Value(dtype, file.AsSpan(8 + headerLength + begin + i * size, size)))]));
            covered += end - begin;
        }
        Assert.AreEqual(file.Length, 8 + headerLength + covered, "the tensors fill the file");
        return read;
    }

    private static float Value(string dtype, ReadOnlySpan<byte> bytes) => dtype switch
    {
        "F64" => (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes),
        "F32" => BinaryPrimitives.ReadSingleLittleEndian(bytes),
        "BF16" => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(bytes) << 16),
        "F16" => HalfValue(BinaryPrimitives.ReadUInt16LittleEndian(bytes)),
        _ => throw new InvalidDataException(dtype),
    };

    /// <summary>IEEE 754 binary16 from its definition: sign, 5 bits of exponent (bias 15), 10 of fraction.</summary>
    private static float HalfValue(ushort bits)
    {
        int exponent = (bits >> 10) & 31, fraction = bits & 1023;
        var size = exponent == 0 ? Math.ScaleB(fraction, -24) : exponent < 31 ? Math.ScaleB(1024 + fraction, exponent - 25)
            : fraction == 0 ? double.PositiveInfinity : double.NaN;
        return (float)(bits < 0x8000 ? size : -size);
    }
}
