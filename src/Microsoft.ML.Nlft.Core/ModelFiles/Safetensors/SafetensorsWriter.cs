using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>A tensor to write: its header entry and a callback that writes its bytes.</summary>
internal sealed record SafetensorsSource(string Name, TensorType Type, long[] Shape, Action<Stream> Write)
{
    /// <summary>Creates an entry for a float32 tensor, converted to <paramref name="type"/> piece by piece.</summary>
    public static SafetensorsSource FromFloats(string name, TensorType type, long[] shape, Func<float[]> values) =>
        new(name, type, shape, stream => WriteFloats(stream, type, values()));

    /// <summary>Creates an entry for a tensor in memory.</summary>
    public static SafetensorsSource From(NamedTensor tensor, TensorType type) =>
        FromFloats(tensor.Name, type, [.. tensor.Shape.Select(size => (long)size)], () => tensor.Values);

    /// <summary>Creates an entry for a tensor of another file, copied unchanged.</summary>
    public static SafetensorsSource From(TensorData tensor) => new(tensor.Name, tensor.Type, tensor.Shape, stream => stream.Write(tensor.Bytes.Span));

    private static void WriteFloats(Stream stream, TensorType type, ReadOnlySpan<float> values)
    {
        const int Piece = 1 << 14;
        var buffer = new byte[Piece * type.ByteSize()];
        for (; !values.IsEmpty; values = values[Math.Min(Piece, values.Length)..])
        {
            var piece = values[..Math.Min(Piece, values.Length)];
            var bytes = buffer.AsSpan(0, piece.Length * type.ByteSize());
            TensorConversion.FromSingle(type, piece, bytes);
            stream.Write(bytes);
        }
    }
}

/// <summary>
/// Writes safetensors files as the reference writer lays them out: tensors by type (largest first) then name, header padded with spaces to
/// 8 bytes.
/// </summary>
internal static class SafetensorsWriter
{
    /// <summary>The metadata that transformers and PEFT require.</summary>
    public static IReadOnlyDictionary<string, string> DefaultMetadata { get; } = new Dictionary<string, string> { ["format"] = "pt" };

    /// <summary>Writes a file atomically, under a temporary name.</summary>
    public static void Write(string path, IEnumerable<SafetensorsSource> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        AtomicFile.Write(path, stream => WriteTo(stream, path, tensors, metadata));

    /// <summary>Writes to a stream, one tensor at a time.</summary>
    /// <param name="stream">Receives the file.</param>
    /// <param name="path">Its name, for messages.</param>
    /// <param name="tensors">The tensors in any order.</param>
    /// <param name="metadata">Texts under <c>__metadata__</c>; default {"format": "pt"}.</param>
    /// <exception cref="NlftException">Two tensors share a name, or one writes a number of bytes that does not match its shape.</exception>
    public static void WriteTo(
        Stream stream, string path, IEnumerable<SafetensorsSource> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var ordered = tensors.OrderByDescending(tensor => tensor.Type).ThenBy(tensor => tensor.Name, StringComparer.Ordinal).ToList();
        RequireDistinctNames(path, ordered);
        var header = Header(ordered, metadata ?? DefaultMetadata);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var tensor in ordered)
        {
            var begin = stream.Position;
            tensor.Write(stream);
            if (stream.Position - begin != ByteLength(tensor))
            {
                throw new NlftException($"{path}, tensor \"{tensor.Name}\"", $"{stream.Position - begin} bytes of values",
                    $"{ByteLength(tensor)} for shape {TensorTypes.Text(tensor.Shape)} of {tensor.Type}", "Give as many values as the shape says.");
            }
        }
    }

    private static byte[] Header(List<SafetensorsSource> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.FileName());
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset = checked(offset + ByteLength(tensor)));
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0) buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static long ByteLength(SafetensorsSource tensor) =>
        checked(tensor.Shape.Aggregate(1L, (product, size) => checked(product * size)) * tensor.Type.BitSize()) / 8;

    private static void RequireDistinctNames(string path, List<SafetensorsSource> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        foreach (var tensor in tensors)
        {
            if (!names.Add(tensor.Name))
            {
                throw new NlftException($"{path}, tensor \"{tensor.Name}\"", "a name that is taken", "every name once, and none called __metadata__",
                    "Rename the tensor.");
            }
        }
    }
}
