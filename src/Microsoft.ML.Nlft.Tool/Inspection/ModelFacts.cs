using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>Describes a model folder or GGUF file: with its weights, or from config.json alone, before anything large is downloaded.</summary>
/// <param name="Folder">Full path.</param>
/// <param name="Configuration">config.json.</param>
/// <param name="EndOfSequenceIds">The ids that end an answer.</param>
/// <param name="HasWeights">Whether the folder has weight files.</param>
/// <param name="Tensors">The weights that the architecture requires, with their types; without files, the type that config.json names.</param>
/// <param name="Unused">Number of tensors in the files that the architecture does not use.</param>
internal sealed record ModelFacts(
    string Folder, ModelConfiguration Configuration, IReadOnlyList<int> EndOfSequenceIds, bool HasWeights,
    IReadOnlyList<TensorFacts> Tensors, int Unused)
{
    /// <summary>Number of parameters.</summary>
    public long Parameters => Tensors.Sum(tensor => tensor.Elements);

    /// <summary>Reads a folder.</summary>
    /// <exception cref="NlftException">A file is missing or damaged.</exception>
    public static ModelFacts Read(string path)
    {
        if (!Directory.Exists(path) || File.Exists(Path.Combine(path, "model.safetensors"))
            || File.Exists(Path.Combine(path, "model.safetensors.index.json")))
        {
            return ReadWeights(path);
        }
        var configuration = ModelConfiguration.Load(path);
        var type = configuration.DataType?.Split('.')[^1] switch
        {
            "bfloat16" => TensorType.BF16,
            "float16" => TensorType.F16,
            "float64" => TensorType.F64,
            _ => TensorType.F32,
        };
        var tensors = ModelLayout.Weights(configuration).Select(weight => new TensorFacts(weight.Shape, type, type.ToString())).ToList();
        return new ModelFacts(Path.GetFullPath(path), configuration, configuration.EndOfSequenceIds, HasWeights: false, tensors, Unused: 0);
    }

    private static ModelFacts ReadWeights(string path)
    {
        using var folder = ModelFolder.Open(path);
        var tensors = ModelLayout.Weights(folder.Configuration)
            .Select(weight => new TensorFacts(weight.Shape, folder.Tensor(weight.Name, weight.Shape).Type, folder.StoredAs(weight.Name).Type)
            {
                FileBytes = folder.StoredAs(weight.Name).Bytes,
                HeldBytes = folder.StoredAs(weight.Name).Held,
            }).ToList();
        return new ModelFacts(folder.Path, folder.Configuration, folder.EndOfSequenceIds, HasWeights: true, tensors,
            folder.TensorNames.Count - tensors.Count);
    }
}

/// <summary>A weight's shape, the element type that it is read as, and the one of the file.</summary>
internal sealed record TensorFacts(long[] Shape, TensorType Type, string FileType)
{
    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Bytes in the file.</summary>
    public long FileBytes { get => field == 0 ? Bytes : field; init; }

    /// <summary>Bytes of the elements as the managed engine holds a matrix.</summary>
    public long HeldBytes { get => field == 0 ? Bytes : field; init; }

    /// <summary>Bytes of the elements as they are read.</summary>
    public long Bytes => Elements * Type switch { TensorType.F64 => 8, TensorType.F32 => 4, _ => 2 };
}
