namespace Microsoft.ML.Nlft.Models;

/// <summary>Element types of a safetensors file.</summary>
public enum TensorType
{
#pragma warning disable CS1591 // the names are the format's own
    Bool, U8, I8, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64,
#pragma warning restore CS1591
}

/// <summary>A tensor as it lies in a file: raw little-endian bytes in row-major order, valid while the file is open.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Dimensions, outermost first; empty for a scalar.</param>
/// <param name="Bytes">The raw bytes: a view of the memory-mapped file, not a copy.</param>
public sealed record TensorData(string Name, TensorType Type, long[] Shape, ReadOnlyMemory<byte> Bytes);
