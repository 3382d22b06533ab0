using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Creates a model with random weights in a Hugging Face folder, ready for pretraining.</summary>
public static class ModelInitializer
{
    /// <summary>Standard deviation of matrices that do not write into the residual stream.</summary>
    internal const double StandardDeviation = 0.02;

    /// <summary>
    /// Writes config.json and model.safetensors. Matrices and embeddings are normal(0, 0.02), the output projections of attention and feed-forward
    /// network normal(0, 0.02 / sqrt(2 layers)) (Radford et al. 2019, section 2.3), norms 1 (0 where a norm multiplies by 1 + w), biases 0. Every
    /// weight draws from its own stream: the same seed gives the same bytes.
    /// </summary>
    /// <param name="folder">The new folder; files of a model in it are replaced.</param>
    /// <param name="configuration">The architecture.</param>
    /// <param name="seed">Seeds the weights.</param>
    /// <param name="type">Element type of the file. Default F32.</param>
    /// <exception cref="NlftException">The configuration is not valid.</exception>
    public static void Create(string folder, ModelConfiguration configuration, int seed, TensorType type = TensorType.F32)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        configuration.Validate();
        var residual = Enumerable.Range(0, configuration.LayerCount).Select(layer => ModelLayout.Layer(configuration, layer))
            .SelectMany(layer => layer.Output.Parts.Concat(layer.Down.Parts)).Select(part => part.Weight).ToHashSet(StringComparer.Ordinal);
        var (norm, usual) = (configuration.NormKind == NormKind.RmsPlusOne ? 0f : 1f, StandardDeviation);
        var tensors = ModelLayout.Weights(configuration).Select(weight => SafetensorsSource.FromFloats(weight.Name, type, weight.Shape,
            () => Values(weight, residual.Contains(weight.Name) ? usual / Math.Sqrt(2.0 * configuration.LayerCount) : usual, norm, seed)));
        ModelFolderWriter.Write(folder, ModelConfigurationWriter.ToJson(configuration, type), tensors);
    }

    private static float[] Values(WeightShape weight, double deviation, float norm, int seed)
    {
        var values = new float[checked((int)weight.Shape.Aggregate(1L, (product, size) => product * size))];
        if (weight.Name.EndsWith(".bias", StringComparison.Ordinal)) return values;
        if (weight.Shape.Length == 1)
        {
            Array.Fill(values, norm);
            return values;
        }
        var random = new SeededRandom(seed, weight.Name);
        for (var i = 0; i < values.Length; i++) values[i] = (float)(deviation * random.NextGaussian());
        return values;
    }
}
