namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Lists the tensors that an adapter trains: <c>MODULE.lora_A</c> and the like for a module's factors, and the model's own name for a weight or bias
/// of the model. The keys in PEFT's files are longer. The factors of experts are named by <see cref="LoraTarget.Factors"/>.
/// </summary>
public static class LoraLayout
{
    /// <summary>Ends the name of A [r x in].</summary>
    public const string A = ".lora_A";

    /// <summary>Ends the name of B [out x r].</summary>
    public const string B = ".lora_B";

    /// <summary>Ends the name of A [r x V] of the embedding.</summary>
    public const string EmbeddingA = ".lora_embedding_A";

    /// <summary>Ends the name of B [H x r] of the embedding.</summary>
    public const string EmbeddingB = ".lora_embedding_B";

    /// <summary>Ends the name of the magnitudes of DoRA [out].</summary>
    public const string Magnitude = ".lora_magnitude_vector";

    /// <summary>Ends the name of the bias of B [out].</summary>
    public const string BiasOfB = ".lora_B.bias";

    /// <summary>Ends the name of a weight of the model itself.</summary>
    public const string Weight = ".weight";

    /// <summary>Ends the name of a bias of the model itself.</summary>
    public const string Bias = ".bias";

    private static readonly string[] s_parts = [BiasOfB, A, B, EmbeddingA, EmbeddingB, Magnitude, Weight, Bias];

    /// <summary>Whether a module is the embedding or the output layer.</summary>
    internal static bool IsEnd(string module) => ModelArchitecture.IsEmbedding(module) || ModelArchitecture.IsHead(module);

    /// <summary>Splits a tensor's name into the module's path and its part, one of the constants; the part is empty for another tensor.</summary>
    internal static (string Module, string Part) Split(string name)
    {
        var part = Array.Find(s_parts, part => name.EndsWith(part, StringComparison.Ordinal)) ?? "";
        return (name[..^part.Length], part);
    }

    /// <summary>Returns name and shape of every trained tensor, in the order of the forward pass.</summary>
    /// <param name="configuration">The adapter's settings.</param>
    /// <param name="model">The architecture.</param>
    /// <exception cref="NlftException">The settings are out of range or target no layer of the model.</exception>
    public static IReadOnlyList<(string Name, int[] Shape)> Trained(LoraConfiguration configuration, ModelConfiguration model)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var targets = configuration.Resolve(model).ToDictionary(target => target.Module);
        var tensors = new List<(string Name, int[] Shape)>();
        foreach (var linear in ModelLayout.AdaptableModules(model))
        {
            if (configuration.Saves(linear.Name)) tensors.Add((linear.Name + Weight, [model.VocabularySize, model.HiddenSize]));
            if (targets.TryGetValue(linear.Name, out var target))
            {
                var isEmbedding = linear.Name == ModelLayout.EmbeddingModule(model);
                tensors.Add((target.Factors + (isEmbedding ? EmbeddingA : A), [checked(linear.Experts * target.Rank), linear.Inputs]));
                tensors.Add((target.Factors + (isEmbedding ? EmbeddingB : B), [linear.Outputs, checked(target.Rank * linear.Experts)]));
                if (configuration.UseDora) tensors.Add((linear.Name + Magnitude, [linear.Outputs]));
                if (configuration.LoraBias) tensors.Add((linear.Name + BiasOfB, [linear.Outputs]));
            }
            if (linear.HasBias && configuration.Bias != TrainedBiases.None && (target is not null || configuration.Bias == TrainedBiases.All))
                tensors.Add((linear.Name + Bias, [linear.Outputs]));
        }
        return tensors;
    }
}
