namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Lists the modules and weights that a configuration requires: their names in a Hugging Face checkpoint and their shapes.</summary>
public static class ModelLayout
{
    /// <summary>Returns every weight, in the order of the forward pass. The output layer of a tied model has no matrix of its own.</summary>
    public static IReadOnlyList<WeightShape> Weights(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var weights = new List<WeightShape> { Embedding(configuration) };
        if (Positions(configuration) is { } positions) weights.Add(positions);
        for (var layer = 0; layer < configuration.LayerCount; layer++)
        {
            var modules = Layer(configuration, layer);
            Add(modules.AttentionNorm);
            Add(modules.AttentionOutputNorm);
            Add(modules.QueryNorm);
            Add(modules.KeyNorm);
            if (modules.FeedForwardNorm != modules.AttentionNorm) Add(modules.FeedForwardNorm);
            Add(modules.FeedForwardOutputNorm);
            foreach (var linear in modules.Linears)
            {
                weights.AddRange(linear.Parts.Select(part => new WeightShape(part.Weight, linear.StoredShape(part))));
                if (linear.HasBias) weights.Add(new(linear.Name + ".bias", [linear.Outputs]));
            }
        }
        Add(FinalNorm(configuration));
        if (!configuration.TieWordEmbeddings) weights.Add(Head(configuration));
        if (HeadBias(configuration) is { } headBias) weights.Add(headBias);
        return weights;

        void Add(NormModule? norm)
        {
            if (norm is null) return;
            weights.Add(new(norm.Name + ".weight", [norm.Size]));
            if (norm.HasBias) weights.Add(new(norm.Name + ".bias", [norm.Size]));
        }
    }

    /// <summary>Returns the embedding matrix, V x H.</summary>
    public static WeightShape Embedding(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return new(Names(configuration).Embedding + ".weight", [configuration.VocabularySize, configuration.HiddenSize]);
    }

    /// <summary>Returns the embedding matrix of positions; null in a model that rotates or has no positions.</summary>
    public static WeightShape? Positions(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return configuration.LearnedPositions
            ? new(Names(configuration).Positions + ".weight", [configuration.MaximumPositions, configuration.HiddenSize]) : null;
    }

    /// <summary>Returns the norm before the output layer.</summary>
    public static NormModule FinalNorm(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return new(Names(configuration).FinalNorm, configuration.HiddenSize, configuration.NormKind == NormKind.Layer);
    }

    /// <summary>Returns the matrix of the output layer, V x H, of a model that is not tied.</summary>
    public static WeightShape Head(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return new(Names(configuration).Head + ".weight", [configuration.VocabularySize, configuration.HiddenSize]);
    }

    /// <summary>Returns the bias of the output layer, or null.</summary>
    public static WeightShape? HeadBias(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return configuration.HeadBias ? new(Names(configuration).Head + ".bias", [configuration.VocabularySize]) : null;
    }

    /// <summary>
    /// Returns the linear layers of all decoder layers, which LoRA can adapt. The experts of a layer are two stacks of linear layers, named as in
    /// PEFT: gate_up_proj and down_proj.
    /// </summary>
    public static IEnumerable<LinearModule> LinearModules(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return Enumerable.Range(0, configuration.LayerCount).SelectMany(layer => Layer(configuration, layer).Linears);
    }

    /// <summary>
    /// Returns every module that LoRA can adapt, in the order of the forward pass: the embedding as a layer from V tokens to H values, the linear
    /// layers of the decoder layers, and the output layer.
    /// </summary>
    public static IEnumerable<LinearModule> AdaptableModules(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var (c, vocabulary, hidden) = (configuration, configuration.VocabularySize, configuration.HiddenSize);
        return [new(EmbeddingModule(c), hidden, vocabulary, false), .. LinearModules(c), new(HeadModule(c), vocabulary, hidden, c.HeadBias)];
    }

    /// <summary>Returns the path of the embedding.</summary>
    public static string EmbeddingModule(ModelConfiguration configuration) => Names(configuration).Embedding;

    /// <summary>Returns the path of the output layer.</summary>
    public static string HeadModule(ModelConfiguration configuration) => Names(configuration).Head;

    /// <summary>Returns the modules of a decoder layer.</summary>
    /// <param name="configuration">The architecture.</param>
    /// <param name="layer">The index of the layer, 0 for the lowest.</param>
    public static LayerLayout Layer(ModelConfiguration configuration, int layer)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var (c, names) = (configuration, Names(configuration));
        var path = $"{names.Layers}.{layer}.";
        int queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        var (queryNorm, keyNorm) = c.Norms == NormPlacement.After ? (queries, keys) : (c.HeadSize, c.HeadSize);
        int[] qkv = names.Qkv.Count == 1 ? [queries + 2 * keys] : [queries, keys, keys];
        int[] gateUp = c.FeedForwardLayout switch
        {
            FeedForwardLayout.Fused => [2 * c.IntermediateSize],
            FeedForwardLayout.UpOnly => [c.IntermediateSize],
            _ => [c.IntermediateSize, c.IntermediateSize],
        };
        var (router, stackedGateUp, stackedDown) = c.HasExperts(layer) ? Experts(c, names, path) : default;
        return new LayerLayout
        {
            AttentionNorm = LayerNorm(names.AttentionNorm),
            AttentionOutputNorm = LayerNorm(names.AttentionOutputNorm),
            QueryNorm = c.QueryKeyNorm ? Norm(names.QueryNorm, queryNorm) : null,
            KeyNorm = c.QueryKeyNorm ? Norm(names.KeyNorm, keyNorm) : null,
            FeedForwardNorm = LayerNorm(names.FeedForwardNorm),
            FeedForwardOutputNorm = LayerNorm(names.FeedForwardOutputNorm),
            Qkv = [.. names.Qkv.Zip(qkv, (name, size) => Linear(name, size, c.HiddenSize, c.QkvBias))],
            Output = Linear(names.Output, c.HiddenSize, queries, c.OutputBias),
            Router = router,
            GateUp = stackedGateUp is not null ? [stackedGateUp]
                : [.. names.GateUp.Zip(gateUp, (name, size) => Linear(name, size, c.HiddenSize, c.MlpBias))],
            Down = stackedDown ?? Linear(names.Down, c.HiddenSize, c.IntermediateSize, c.MlpBias),
        };

        NormModule? LayerNorm(string? name) => name is null ? null : Norm(name, c.HiddenSize);

        NormModule Norm(string name, int size) => new(path + name, size, c.NormKind == NormKind.Layer);

        LinearModule Linear(string name, int outputs, int inputs, bool bias) =>
            new(path + name, outputs, inputs, bias) { IsTransposed = c.TransposedWeights };
    }

    /// <summary>Router and experts: one module each in transformers 5 and PEFT, a matrix per expert in the files.</summary>
    private static (LinearModule? Router, LinearModule? GateUp, LinearModule? Down) Experts(ModelConfiguration c, ModuleNames names,
        string path)
    {
        var (module, stored) = (path + "mlp.", $"{path}{names.Experts}.");
        var (width, numbers) = (c.Experts!.IntermediateSize, Enumerable.Range(0, c.Experts.Count));
        var router = new LinearModule(module + "gate", c.Experts.Count, c.HiddenSize, HasBias: false)
        {
            IsRouter = true, Parts = [new(stored + "gate.weight", 0, 0, c.Experts.Count)],
        };
        var gateUp = new LinearModule(module + "experts.gate_up_proj", 2 * width, c.HiddenSize, HasBias: false)
        {
            Experts = c.Experts.Count,
            Parts = [.. numbers.SelectMany(expert => new LinearPart[]
            {
                new(Stored(expert, names.Expert.Gate), expert, 0, width), new(Stored(expert, names.Expert.Up), expert, width, width),
            })],
        };
        var down = new LinearModule(module + "experts.down_proj", c.HiddenSize, width, HasBias: false)
        {
            Experts = c.Experts.Count,
            Parts = [.. numbers.Select(expert => new LinearPart(Stored(expert, names.Expert.Down), expert, 0, c.HiddenSize))],
        };
        return (router, gateUp, down);

        string Stored(int expert, string projection) => $"{stored}experts.{expert}.{projection}.weight";
    }

    private static ModuleNames Names(ModelConfiguration configuration) => ModelArchitecture.Of(configuration.ModelType)?.Modules ?? new();
}

/// <summary>A weight's name and shape, outermost dimension first.</summary>
/// <param name="Name">For example <c>model.layers.0.mlp.up_proj.weight</c>.</param>
/// <param name="Shape">Dimensions.</param>
public sealed record WeightShape(string Name, long[] Shape);
