using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>A tensor to write: its entry in the header and a callback that writes its bytes. The shape has the outermost dimension first.</summary>
internal sealed record GgufSource(string Name, GgufType Type, long[] Shape, Action<Stream> Write)
{
    /// <summary>Creates an entry for float32 values in memory.</summary>
    public static GgufSource From(string name, long[] shape, float[] values) =>
        new(name, GgufType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes(values.AsSpan())));

    /// <summary>Bytes of the tensor.</summary>
    public long Length
    {
        get
        {
            var (values, bytes) = Type.Block();
            return checked(Shape.Aggregate(1L, (product, size) => checked(product * size)) / values * bytes);
        }
    }
}

/// <summary>
/// Writes GGUF files, version 3 (ggml, docs/gguf.md): header, metadata, entries of the tensors, then their data in the same order, every tensor at a
/// multiple of 32 bytes. One tensor at a time is written.
/// </summary>
internal static class GgufWriter
{
    private const uint Version = 3;
    private const int Alignment = 32; // what the format has where general.alignment says nothing

    /// <summary>Writes to a stream.</summary>
    /// <param name="stream">Receives the file.</param>
    /// <param name="metadata">
    /// Keys and values in order: texts, uint, float, bool, and arrays of texts, float and int.
    /// </param>
    /// <param name="tensors">The tensors, each of a name of its own.</param>
    public static void WriteTo(Stream stream, IReadOnlyList<(string Key, object Value)> metadata, IReadOnlyList<GgufSource> tensors)
    {
        var header = Header(metadata, tensors);
        stream.Write(header);
        var position = Pad(stream, header.Length);
        foreach (var tensor in tensors)
        {
            var begin = stream.Position;
            tensor.Write(stream);
            if (stream.Position - begin != tensor.Length)
                throw new InvalidOperationException($"{tensor.Name}: {stream.Position - begin} bytes were written, its shape has {tensor.Length}.");
            position = Pad(stream, position + tensor.Length);
        }
    }

    private static byte[] Header(IReadOnlyList<(string Key, object Value)> metadata, IReadOnlyList<GgufSource> tensors)
    {
        using var header = new MemoryStream();
        header.Write("GGUF"u8);
        Write(header, Version);
        Write(header, (ulong)tensors.Count);
        Write(header, (ulong)metadata.Count);
        foreach (var (key, value) in metadata)
        {
            Write(header, key);
            WriteValue(header, value);
        }
        long offset = 0;
        foreach (var tensor in tensors)
        {
            Write(header, tensor.Name);
            Write(header, (uint)tensor.Shape.Length);
            foreach (var size in tensor.Shape.Reverse()) Write(header, (ulong)size); // innermost first
            Write(header, (uint)tensor.Type);
            Write(header, (ulong)offset);
            offset = Aligned(checked(offset + tensor.Length));
        }
        return header.ToArray();
    }

    private static void WriteValue(Stream stream, object value)
    {
        switch (value)
        {
            case uint number:
                Write(stream, (uint)GgufValueType.UInt32);
                Write(stream, number);
                break;
            case float number:
                Write(stream, (uint)GgufValueType.Float32);
                Write(stream, BitConverter.SingleToUInt32Bits(number));
                break;
            case bool flag:
                Write(stream, (uint)GgufValueType.Bool);
                stream.WriteByte(flag ? (byte)1 : (byte)0);
                break;
            case string text:
                Write(stream, (uint)GgufValueType.String);
                Write(stream, text);
                break;
            case string[] texts:
                WriteArray(stream, GgufValueType.String, texts.Length);
                foreach (var text in texts) Write(stream, text);
                break;
            case float[] numbers:
                WriteArray(stream, GgufValueType.Float32, numbers.Length);
                stream.Write(MemoryMarshal.AsBytes(numbers.AsSpan()));
                break;
            case int[] numbers:
                WriteArray(stream, GgufValueType.Int32, numbers.Length);
                stream.Write(MemoryMarshal.AsBytes(numbers.AsSpan()));
                break;
            default:
                throw new ArgumentException($"no value of GGUF metadata: {value.GetType()}", nameof(value));
        }
    }

    private static void WriteArray(Stream stream, GgufValueType type, int length)
    {
        Write(stream, (uint)GgufValueType.Array);
        Write(stream, (uint)type);
        Write(stream, (ulong)length);
    }

    private static void Write(Stream stream, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Write(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void Write(Stream stream, uint number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, number);
        stream.Write(bytes);
    }

    private static void Write(Stream stream, ulong number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
        stream.Write(bytes);
    }

    private static long Aligned(long position) => (position + Alignment - 1) / Alignment * Alignment;

    private static long Pad(Stream stream, long position)
    {
        var end = Aligned(position);
        stream.Write(new byte[end - position]);
        return end;
    }
}
