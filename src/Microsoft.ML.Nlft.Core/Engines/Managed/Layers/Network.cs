using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>The layers of a Llama-family decoder, loaded from a model folder, and its trainable tensors.</summary>
internal sealed class Network : IDisposable
{
    private readonly List<Weight> _weights = [];
    private readonly ModelFolder _folder;
    private readonly bool _trainAll;
    private readonly ManagedEngineOptions _engine;

    public Network(ModelLoadOptions options, ManagedEngineOptions engine, CancellationToken cancellationToken)
    {
        (_folder, _engine) = (options.Folder, engine);
        _trainAll = options.Trainable == TrainableWeights.All;
        var lora = _trainAll || (options.Adapter is null && options.Trainable == TrainableWeights.None) ? null : new LoraBuilder(options);
        var c = Configuration = lora?.Model ?? _folder.Configuration;
        Embedding = new TokenEmbedding(Whole(lora, ModelLayout.Embedding), (float)c.EmbeddingMultiplier)
        {
            Lora = lora?.EmbeddingFactors(ModelLayout.Embedding),
        };
        Layers = new DecoderLayer[c.LayerCount];
        for (var i = 0; i < Layers.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Layers[i] = CreateLayer(c, i, $"model.layers.{i}", c.SlidingWindows[i]);
        }
        FinalNorm = Norm("model.norm.weight", c.HiddenSize);
        Head = new TokenHead(c.TieWordEmbeddings ? Embedding.Weight : Whole(lora, ModelLayout.Head), (float)(1 / c.LogitsDivisor),
            (float)(c.LogitsSoftCap ?? 0))
        {
            Lora = lora?.Factors(ModelLayout.Head),
        };
        Parameters = lora?.Parameters ?? (_trainAll ? [.. _weights.Select(weight => weight.Parameter!)] : []);
        Lora = lora?.Configuration;
        if (lora is null) return;
        foreach (var linear in Layers.SelectMany(layer => layer.Linears)) lora.Attach(linear);
    }

    /// <summary>The architecture, with the adapter on.</summary>
    public ModelConfiguration Configuration { get; }
    public TokenEmbedding Embedding { get; }
    public DecoderLayer[] Layers { get; }
    public RmsNorm FinalNorm { get; }
    public TokenHead Head { get; }
    public LoraConfiguration? Lora { get; }

    /// <summary>The tensors that an optimizer updates: all weights, or those of the adapter.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>
    /// The lowest layer whose input needs a gradient, because something below it is trainable; the number of layers if there is none.
    /// </summary>
    public int LowestGradient
    {
        get
        {
            if (Embedding.IsTrainable) return 0;
            var lowest = Array.FindIndex(Layers, layer => layer.IsTrainable);
            return lowest < 0 ? Layers.Length : lowest + 1;
        }
    }

    public void Dispose() => _weights.ForEach(weight => weight.Dispose());

    private DecoderLayer CreateLayer(ModelConfiguration c, int index, string path, int window)
    {
        int queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        var (norms, (queryNorm, keyNorm)) = (ModelLayout.Norms(c), ModelLayout.NormSizes(c));
        return new DecoderLayer
        {
            Index = index,
            HeadSize = c.HeadSize,
            IsRotated = c.RotatedLayers?[index] != false,
            ResidualMultiplier = (float)c.ResidualMultiplier,
            AttentionNorm = LayerNorm(norms.AttentionInput),
            AttentionOutputNorm = LayerNorm(norms.AttentionOutput),
            Q = Linear($"{path}.self_attn.q_proj", queries, c.HiddenSize, c.QkvBias),
            K = Linear($"{path}.self_attn.k_proj", keys, c.HiddenSize, c.QkvBias),
            V = Linear($"{path}.self_attn.v_proj", keys, c.HiddenSize, c.QkvBias),
            O = Linear($"{path}.self_attn.o_proj", c.HiddenSize, queries, c.OutputBias),
            QueryNorm = c.QueryKeyNorm ? Norm($"{path}.self_attn.q_norm.weight", queryNorm) : null,
            KeyNorm = c.QueryKeyNorm ? Norm($"{path}.self_attn.k_norm.weight", keyNorm) : null,
            Attention = new Attention(c, window),
            FeedForwardNorm = LayerNorm(norms.FeedForwardInput),
            FeedForwardOutputNorm = LayerNorm(norms.FeedForwardOutput),
            FeedForward = new FeedForward(
                Linear($"{path}.mlp.gate_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias),
                Linear($"{path}.mlp.up_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias),
                Linear($"{path}.mlp.down_proj", c.HiddenSize, c.IntermediateSize, c.MlpBias), c.Activation),
        };

        RmsNorm? LayerNorm(string? name) => name is null ? null : Norm($"{path}.{name}.weight", c.HiddenSize);
    }

    /// <summary>Returns the weight of the embedding or the output layer: the adapter's, or the model's.</summary>
    private Weight Whole(LoraBuilder? lora, string module)
    {
        if (lora?.Whole(module) is not { } weight)
        {
            var model = _folder.Configuration;
            return Load(_folder.WeightOf(module + LoraLayout.Weight), model.VocabularySize, model.HiddenSize);
        }
        _weights.Add(weight);
        return weight;
    }

    private Linear Linear(string module, int outputs, int inputs, bool bias) =>
        new(module, Load($"{module}.weight", outputs, inputs, int4: _engine.Int4Weights),
            bias ? Load($"{module}.bias", 1, outputs, vector: true) : null);

    private RmsNorm Norm(string name, int size) => new(Load(name, 1, size, vector: true), _folder.Configuration.NormEpsilon,
        plusOne: _folder.Configuration.NormKind == NormKind.RmsPlusOne);

    private Weight Load(string name, int rows, int columns, bool vector = false, bool int4 = false)
    {
        var weight = new Weight(_folder, name, rows, columns, vector, _trainAll, int4 ? 4 : _engine.Int8Weights || _engine.Int4Weights ? 8 : null);
        _weights.Add(weight);
        return weight;
    }
}
