namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Lists the weights that a configuration requires: their names in a Hugging Face checkpoint and their shapes.</summary>
public static class ModelLayout
{
    /// <summary>The path of the embedding.</summary>
    public const string Embedding = "model.embed_tokens";

    /// <summary>The path of the output layer.</summary>
    public const string Head = "lm_head";

    /// <summary>Returns every weight, in the order of the forward pass. A tied model has no lm_head.weight.</summary>
    public static IReadOnlyList<WeightShape> Weights(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        long hidden = configuration.HiddenSize;
        var weights = new List<WeightShape> { new(Embedding + ".weight", [configuration.VocabularySize, hidden]) };
        for (var layer = 0; layer < configuration.LayerCount; layer++)
        {
            var prefix = $"model.layers.{layer}.";
            var norms = Norms(configuration);
            AddNorm(norms.AttentionInput);
            AddNorm(norms.AttentionOutput);
            if (configuration.QueryKeyNorm)
            {
                var (queries, keys) = NormSizes(configuration);
                weights.Add(new(prefix + "self_attn.q_norm.weight", [queries]));
                weights.Add(new(prefix + "self_attn.k_norm.weight", [keys]));
            }
            AddNorm(norms.FeedForwardInput);
            AddNorm(norms.FeedForwardOutput);
            foreach (var linear in LinearModules(configuration, layer))
            {
                weights.Add(new(linear.Name + ".weight", [linear.Outputs, linear.Inputs]));
                if (linear.HasBias) weights.Add(new(linear.Name + ".bias", [linear.Outputs]));
            }

            void AddNorm(string? name)
            {
                if (name is not null) weights.Add(new(prefix + name + ".weight", [hidden]));
            }
        }
        weights.Add(new("model.norm.weight", [hidden]));
        if (!configuration.TieWordEmbeddings) weights.Add(new(Head + ".weight", [configuration.VocabularySize, hidden]));
        return weights;
    }

    /// <summary>Returns the names of a layer's norms.</summary>
    public static LayerNorms Norms(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return configuration.Norms switch
        {
            NormPlacement.After => new(null, "post_attention_layernorm", null, "post_feedforward_layernorm"),
            NormPlacement.Both => new("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"),
            _ => new("input_layernorm", null, "post_attention_layernorm", null),
        };
    }

    /// <summary>Returns how many values the norms of queries and of keys take together: a head, or all heads if norms only come after.</summary>
    public static (int Queries, int Keys) NormSizes(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var c = configuration;
        return c.Norms == NormPlacement.After ? (c.HeadCount * c.HeadSize, c.KeyValueHeadCount * c.HeadSize) : (c.HeadSize, c.HeadSize);
    }

    /// <summary>Returns the linear layers of all decoder layers, which LoRA can adapt.</summary>
    public static IEnumerable<LinearModule> LinearModules(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return Enumerable.Range(0, configuration.LayerCount).SelectMany(layer => LinearModules(configuration, layer));
    }

    /// <summary>
    /// Returns every module that LoRA can adapt, in the order of the forward pass: the embedding as a layer from V tokens to H values, the linear
    /// layers of the decoder layers, and the output layer.
    /// </summary>
    public static IEnumerable<LinearModule> AdaptableModules(ModelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var (vocabulary, hidden) = (configuration.VocabularySize, configuration.HiddenSize);
        return [new(Embedding, hidden, vocabulary, false), .. LinearModules(configuration), new(Head, vocabulary, hidden, false)];
    }

    private static LinearModule[] LinearModules(ModelConfiguration c, int layer)
    {
        var (attention, mlp) = ($"model.layers.{layer}.self_attn.", $"model.layers.{layer}.mlp.");
        var (queries, keys) = (c.HeadCount * c.HeadSize, c.KeyValueHeadCount * c.HeadSize);
        return
        [
            new(attention + "q_proj", queries, c.HiddenSize, c.QkvBias),
            new(attention + "k_proj", keys, c.HiddenSize, c.QkvBias),
            new(attention + "v_proj", keys, c.HiddenSize, c.QkvBias),
            new(attention + "o_proj", c.HiddenSize, queries, c.OutputBias),
            new(mlp + "gate_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias),
            new(mlp + "up_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias),
            new(mlp + "down_proj", c.HiddenSize, c.IntermediateSize, c.MlpBias),
        ];
    }
}

/// <summary>The names of a layer's norms within the layer, for example <c>input_layernorm</c>; null where it has none.</summary>
/// <param name="AttentionInput">Before attention.</param>
/// <param name="AttentionOutput">After attention, before the sum with the residual stream.</param>
/// <param name="FeedForwardInput">Before the feed-forward network.</param>
/// <param name="FeedForwardOutput">After the feed-forward network, before the sum with the residual stream.</param>
public sealed record LayerNorms(string? AttentionInput, string? AttentionOutput, string? FeedForwardInput, string? FeedForwardOutput);

/// <summary>A weight's name and shape, outermost dimension first.</summary>
/// <param name="Name">For example <c>model.layers.0.mlp.up_proj.weight</c>.</param>
/// <param name="Shape">Dimensions.</param>
public sealed record WeightShape(string Name, long[] Shape);

/// <summary>A linear layer y = W x (+ b) of a decoder layer; W is out x in.</summary>
/// <param name="Name">Module path, for example <c>model.layers.0.mlp.up_proj</c>.</param>
/// <param name="Outputs">Rows of W.</param>
/// <param name="Inputs">Columns of W.</param>
/// <param name="HasBias">Whether there is a bias.</param>
public sealed record LinearModule(string Name, int Outputs, int Inputs, bool HasBias);
