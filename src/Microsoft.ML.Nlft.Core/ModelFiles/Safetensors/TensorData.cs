using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Element types of a safetensors file, in the order of the format's own list.</summary>
public enum TensorType
{
#pragma warning disable CS1591 // the names are those of the format
    Bool, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64,
#pragma warning restore CS1591
}

/// <summary>A tensor as stored: raw little-endian bytes in row-major order.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Dimensions, outermost first; empty for a scalar.</param>
/// <param name="Bytes">
/// The raw bytes. Those of a model folder are read on first access and then stay in memory. That access throws an <see cref="NlftException"/> if
/// the file was modified after it was opened, or an <see cref="ObjectDisposedException"/> if it was closed. Bytes that were read stay valid.
/// </param>
public sealed record TensorData(string Name, TensorType Type, long[] Shape, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>Returns a copy of the values as float32, row-major, without caching the bytes of the file.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><see cref="Type"/> is not F32, F16, BF16 or F64.</exception>
    public float[] ToArray()
    {
        var values = new float[Bytes.Length / Type.ByteSize()];
        Read(values);
        return values;
    }

    /// <summary>Copies the raw bytes; those of a file are read straight into the destination and not cached.</summary>
    /// <param name="destination">As many bytes as the tensor has.</param>
    /// <exception cref="NlftException">The file cannot be read, or was written to after it was opened.</exception>
    public void Read(Span<byte> destination)
    {
        if (MemoryMarshal.TryGetMemoryManager<byte, StoredBytes>(Bytes, out var stored)) stored!.Read(0, destination);
        else Bytes.Span.CopyTo(destination);
    }

    /// <summary>Copies the values as float32, row-major; those of a file pass through a small buffer and are not cached.</summary>
    /// <param name="destination">As many elements as the tensor has.</param>
    /// <exception cref="ArgumentOutOfRangeException"><see cref="Type"/> is not F32, F16, BF16 or F64.</exception>
    /// <exception cref="NlftException">The file cannot be read, or was written to after it was opened.</exception>
    public void Read(Span<float> destination)
    {
        if (!MemoryMarshal.TryGetMemoryManager<byte, StoredBytes>(Bytes, out var stored))
        {
            TensorConversion.ToSingle(Type, Bytes.Span, destination);
            return;
        }
        var size = Type.ByteSize();
        var buffer = new byte[Math.Min(BufferSize, destination.Length * (long)size)];
        for (var done = 0; done < destination.Length;)
        {
            var count = Math.Min(destination.Length - done, BufferSize / size);
            var bytes = buffer.AsSpan(0, count * size);
            stored!.Read(done * (long)size, bytes);
            TensorConversion.ToSingle(Type, bytes, destination.Slice(done, count));
            done += count;
        }
    }

    private const int BufferSize = 1 << 18;
}

/// <summary>Names and sizes of the element types.</summary>
internal static class TensorTypes
{
    private static readonly Dictionary<string, TensorType> ByName = Enum.GetValues<TensorType>().ToDictionary(FileName, StringComparer.Ordinal);

    /// <summary>Returns the name in a safetensors header: the enum's, except BOOL.</summary>
    public static string FileName(this TensorType type) => type == TensorType.Bool ? "BOOL" : type.ToString();

    public static bool TryParse(string name, out TensorType type) => ByName.TryGetValue(name, out type);

    public static string AllNames => string.Join(", ", ByName.Keys);

    public static int BitSize(this TensorType type) => type switch
    {
        TensorType.F4 => 4,
        TensorType.F6_E2M3 or TensorType.F6_E3M2 => 6,
        TensorType.Bool or TensorType.U8 or TensorType.I8 or TensorType.F8_E5M2 or TensorType.F8_E4M3 or TensorType.F8_E8M0 => 8,
        TensorType.I16 or TensorType.U16 or TensorType.F16 or TensorType.BF16 => 16,
        TensorType.I32 or TensorType.U32 or TensorType.F32 => 32,
        TensorType.C64 or TensorType.F64 or TensorType.I64 or TensorType.U64 => 64,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not an element type"),
    };

    /// <summary>Bytes of one element; 0 for types smaller than a byte.</summary>
    public static int ByteSize(this TensorType type) => type.BitSize() / 8;

    /// <summary>Whether the library computes with this type.</summary>
    public static bool IsSupportedFloat(this TensorType type) => type is TensorType.F32 or TensorType.F16 or TensorType.BF16 or TensorType.F64;

    /// <summary>The name in config.json's dtype (torch_dtype).</summary>
    public static string TorchName(this TensorType type) => type switch
    {
        TensorType.F32 => "float32",
        TensorType.F16 => "float16",
        TensorType.BF16 => "bfloat16",
        TensorType.F64 => "float64",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "expected F32, F16, BF16 or F64"),
    };

    public static string Text(ReadOnlySpan<long> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
