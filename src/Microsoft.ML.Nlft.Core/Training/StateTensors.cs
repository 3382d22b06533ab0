using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Tensors of one kind in the file of a state: float32, with a prefix before their names.</summary>
internal static class StateTensors
{
    /// <summary>Returns the tensors as the file holds them.</summary>
    public static IEnumerable<TensorData> Named(string prefix, IReadOnlyList<NamedTensor> tensors) => tensors.Select(tensor =>
        new TensorData(prefix + tensor.Name, TensorType.F32, [.. tensor.Shape.Select(size => (long)size)],
            MemoryMarshal.AsBytes(tensor.Values.AsSpan()).ToArray()));

    /// <summary>Returns the tensors of a file whose names have the prefix, without it.</summary>
    /// <exception cref="JsonException">One of them is not float32.</exception>
    public static IReadOnlyList<NamedTensor> Read(string prefix, IEnumerable<TensorData> tensors) =>
    [
        .. tensors.Where(tensor => tensor.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(tensor =>
            tensor.Type != TensorType.F32 ? throw new JsonException($"{tensor.Name} is no float32 tensor") : new NamedTensor(
                tensor.Name[prefix.Length..], [.. tensor.Shape.Select(size => checked((int)size))],
                MemoryMarshal.Cast<byte, float>(tensor.Bytes.Span).ToArray())),
    ];
}
