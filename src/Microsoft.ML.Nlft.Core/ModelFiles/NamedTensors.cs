using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Checks the tensors that <see cref="ICausalLanguageModel.Import"/> passes to an engine.</summary>
public static class NamedTensors
{
    private const string Remedy = "Import what Export returned for the same model and adapter settings.";

    /// <summary>Refuses tensors other than the expected ones.</summary>
    /// <param name="tensors">The tensors given, in any order.</param>
    /// <param name="shapes">Name and shape of every expected tensor, outermost dimension first.</param>
    /// <exception cref="NlftException">A tensor is unknown, is missing, or differs in shape; the message names the first.</exception>
    public static void RequireExactly(IReadOnlyList<NamedTensor> tensors, IReadOnlyDictionary<string, int[]> shapes)
    {
        foreach (var tensor in tensors)
        {
            if (!shapes.TryGetValue(tensor.Name, out var shape) || !shape.SequenceEqual(tensor.Shape)
                || tensor.Values.Length != shape.Aggregate(1L, (n, size) => n * size))
            {
                throw new NlftException($"tensor {tensor.Name}", $"shape [{string.Join(" x ", tensor.Shape)}]",
                    shape is null ? $"one of the {shapes.Count} tensors that Export names" : $"[{string.Join(" x ", shape)}]", Remedy);
            }
        }
        if (shapes.Keys.Except(tensors.Select(tensor => tensor.Name)).FirstOrDefault() is { } missing)
            throw new NlftException($"tensor {missing}", "nothing", "every tensor that Export names", Remedy);
    }
}
