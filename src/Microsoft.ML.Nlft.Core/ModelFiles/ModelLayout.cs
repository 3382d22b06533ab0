namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Lists the modules and weights that a configuration requires: their names in a Hugging Face checkpoint and their shapes.</summary>
public static class ModelLayout
{
    /// <summary>Returns every weight, in the order of the forward pass. The output layer of a tied model has no matrix of its own.</summary>
    public static IReadOnlyList<WeightShape> Weights(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var weights = new List<WeightShape> { Embedding(configuration) };
        for (var layer = 0; layer < configuration.LayerCount; layer++)
        {
            var modules = Layer(configuration, layer);
            Add(modules.AttentionNorm);
            if (modules.QueryNorm is { } queryNorm) Add(queryNorm);
            if (modules.KeyNorm is { } keyNorm) Add(keyNorm);
            Add(modules.FeedForwardNorm);
            foreach (var linear in modules.Linears)
            {
                weights.Add(new(linear.Name + ".weight", [linear.Outputs, linear.Inputs]));
                if (linear.HasBias) weights.Add(new(linear.Name + ".bias", [linear.Outputs]));
            }
        }
        Add(FinalNorm(configuration));
        if (!configuration.TieWordEmbeddings) weights.Add(Head(configuration));
        return weights;

        void Add(NormModule norm) => weights.Add(new(norm.Name + ".weight", [norm.Size]));
    }

    /// <summary>Returns the embedding matrix, V x H.</summary>
    public static WeightShape Embedding(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return new(Names(configuration).Embedding + ".weight", [configuration.VocabularySize, configuration.HiddenSize]);
    }

    /// <summary>Returns the norm before the output layer.</summary>
    public static NormModule FinalNorm(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return new(Names(configuration).FinalNorm, configuration.HiddenSize);
    }

    /// <summary>Returns the matrix of the output layer, V x H, of a model that is not tied.</summary>
    public static WeightShape Head(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return new(Names(configuration).Head + ".weight", [configuration.VocabularySize, configuration.HiddenSize]);
    }

    /// <summary>Returns the linear layers of all decoder layers, which LoRA can adapt.</summary>
    public static IEnumerable<LinearModule> LinearModules(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return Enumerable.Range(0, configuration.LayerCount).SelectMany(layer => Layer(configuration, layer).Linears);
    }

    /// <summary>Returns the modules of a decoder layer.</summary>
    /// <param name="configuration">The architecture.</param>
    /// <param name="layer">The index of the layer, 0 for the lowest.</param>
    public static LayerLayout Layer(ModelConfiguration configuration, int layer)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var (c, names) = (configuration, Names(configuration));
        var path = $"{names.Layers}.{layer}.";
        int queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        var (queryNorm, keyNorm) = c.NormAfter ? (queries, keys) : (c.HeadSize, c.HeadSize);
        int[] qkv = names.Qkv.Count == 1 ? [queries + 2 * keys] : [queries, keys, keys];
        int[] gateUp = names.GateUp.Count == 1 ? [2 * c.IntermediateSize] : [c.IntermediateSize, c.IntermediateSize];
        return new LayerLayout
        {
            AttentionNorm = new(path + names.AttentionNorm, c.HiddenSize),
            QueryNorm = c.QueryKeyNorm ? new(path + names.QueryNorm, queryNorm) : null,
            KeyNorm = c.QueryKeyNorm ? new(path + names.KeyNorm, keyNorm) : null,
            FeedForwardNorm = new(path + names.FeedForwardNorm, c.HiddenSize),
            Qkv = [.. names.Qkv.Zip(qkv, (name, size) => Linear(name, size, c.HiddenSize, c.QkvBias))],
            Output = Linear(names.Output, c.HiddenSize, queries, c.OutputBias),
            GateUp = [.. names.GateUp.Zip(gateUp, (name, size) => Linear(name, size, c.HiddenSize, c.MlpBias))],
            Down = Linear(names.Down, c.HiddenSize, c.IntermediateSize, c.MlpBias),
        };

        LinearModule Linear(string name, int outputs, int inputs, bool bias) => new(path + name, outputs, inputs, bias);
    }

    private static ModuleNames Names(ModelConfiguration configuration) => ModelArchitecture.Of(configuration.ModelType)?.Modules ?? new();
}

/// <summary>A weight's name and shape, outermost dimension first.</summary>
/// <param name="Name">For example <c>model.layers.0.mlp.up_proj.weight</c>.</param>
/// <param name="Shape">Dimensions.</param>
public sealed record WeightShape(string Name, long[] Shape);
