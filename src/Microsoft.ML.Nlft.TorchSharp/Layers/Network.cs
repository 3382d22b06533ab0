using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The layers of a Llama-family decoder, loaded tensor by tensor from a model folder to the device, and its trainable tensors.
/// </summary>
internal sealed class Network : IDisposable
{
    private readonly List<Weight> _weights = [];
    private readonly List<ulong> _adapted = [];
    private readonly ModelFolder _folder;
    private readonly DeviceContext _context;
    private readonly LoraAdapter? _adapter;
    private readonly HashSet<string> _names; // of the parameters
    private readonly bool _trainAll, _int8;

    public Network(ModelLoadOptions options, DeviceContext context, bool int8, CancellationToken cancellationToken)
    {
        (_folder, _context, _int8, _trainAll) = (options.Folder, context, int8, options.Trainable == TrainableWeights.All);
        var c = _folder.Configuration;
        _adapter = _trainAll || (options.Adapter is null && options.Trainable == TrainableWeights.None) ? null
            : options.Adapter ?? LoraAdapter.Create(options.Lora ?? new LoraConfiguration(), _folder, options.Seed);
        _adapter?.EnsureFits(c);
        c = Configuration = _adapter?.Extend(c) ?? c;
        Lora = _adapter?.Configuration;
        (string, int[])[] layout = _trainAll
            ? [.. ModelLayout.Weights(c).Select(weight => (weight.Name, weight.Shape.Select(size => (int)size).ToArray()))]
            : [.. _adapter?.Trained.Select(factor => (factor.Name, factor.Shape)) ?? []];
        _names = layout.Select(tensor => tensor.Item1).ToHashSet();
        Parameters = new ParameterStore(layout, trainable: options.Trainable != TrainableWeights.None, context.Device);
        try
        {
            foreach (var factor in _adapter?.Trained ?? []) Parameters.Fill(factor.Name, factor.Values);
            Embedding = new TokenEmbedding(Whole(ModelLayout.Embedding), c.EmbeddingMultiplier);
            Layers = new DecoderLayer[c.LayerCount];
            for (var i = 0; i < Layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Layers[i] = CreateLayer(c, i);
            }
            FinalNorm = Norm("model.norm.weight", c.HiddenSize);
            Head = new TokenHead(c.TieWordEmbeddings ? Embedding.Weight : Whole(ModelLayout.Head), 1 / c.LogitsDivisor, c.LogitsSoftCap);
            if (Lora is not null) Attach(Lora);
            FirstTrainable = Array.FindIndex(Layers, layer => layer.Linears.Any(linear => linear.IsTrainable));
            if (Embedding.IsTrainable) FirstTrainable = 0;
            else if (FirstTrainable < 0) FirstTrainable = Layers.Length;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The architecture, with the adapter on.</summary>
    public ModelConfiguration Configuration { get; }
    public TokenEmbedding Embedding { get; }
    public DecoderLayer[] Layers { get; }
    public RmsNorm FinalNorm { get; }
    public TokenHead Head { get; }
    public LoraConfiguration? Lora { get; }

    /// <summary>The dropout keys of the adapted modules, in the order of their numbers.</summary>
    public IReadOnlyList<ulong> Adapted => _adapted;

    /// <summary>The tensors that an optimizer updates: all weights, or those of the adapter.</summary>
    public ParameterStore Parameters { get; }

    /// <summary>
    /// The lowest layer with a trainable tensor in it or below it, where a backward pass ends; the number of layers if there is none.
    /// </summary>
    public int FirstTrainable { get; }

    public void Dispose()
    {
        foreach (var linear in Layers?.Where(layer => layer is not null).SelectMany(layer => layer.Linears) ?? []) linear.Lora?.Dispose();
        Head?.Lora?.Dispose();
        _weights.ForEach(weight => weight.Dispose());
        Parameters.Dispose();
    }

    private DecoderLayer CreateLayer(ModelConfiguration c, int index)
    {
        var path = $"model.layers.{index}";
        int queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        var (norms, (queryNorm, keyNorm)) = (ModelLayout.Norms(c), ModelLayout.NormSizes(c));
        return new DecoderLayer(index, c)
        {
            AttentionNorm = LayerNorm(norms.AttentionInput),
            AttentionOutputNorm = LayerNorm(norms.AttentionOutput),
            Q = Linear($"{path}.self_attn.q_proj", queries, c.HiddenSize, c.QkvBias),
            K = Linear($"{path}.self_attn.k_proj", keys, c.HiddenSize, c.QkvBias),
            V = Linear($"{path}.self_attn.v_proj", keys, c.HiddenSize, c.QkvBias),
            O = Linear($"{path}.self_attn.o_proj", c.HiddenSize, queries, c.OutputBias),
            QueryNorm = c.QueryKeyNorm ? Norm($"{path}.self_attn.q_norm.weight", queryNorm) : null,
            KeyNorm = c.QueryKeyNorm ? Norm($"{path}.self_attn.k_norm.weight", keyNorm) : null,
            FeedForwardNorm = LayerNorm(norms.FeedForwardInput),
            FeedForwardOutputNorm = LayerNorm(norms.FeedForwardOutput),
            Gate = Linear($"{path}.mlp.gate_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias),
            Up = Linear($"{path}.mlp.up_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias),
            Down = Linear($"{path}.mlp.down_proj", c.HiddenSize, c.IntermediateSize, c.MlpBias),
        };

        RmsNorm? LayerNorm(string? name) => name is null ? null : Norm($"{path}.{name}.weight", c.HiddenSize);
    }

    private Linear Linear(string module, int outputs, int inputs, bool bias) =>
        new(module, Load($"{module}.weight", int8: _int8, outputs, inputs), bias ? Load($"{module}.bias", outputs) : null);

    private RmsNorm Norm(string name, int size) => new(Load(name, size), _folder.Configuration.NormEpsilon,
        plusOne: _folder.Configuration.NormKind == NormKind.RmsPlusOne);

    private Weight Load(string name, params long[] shape) => Load(name, int8: false, shape);

    private Weight Load(string name, bool int8, params long[] shape)
    {
        var data = _folder.Tensor(name, shape);
        if (_trainAll) Parameters.Fill(name, data);
        _weights.Add(_trainAll ? new Weight(Parameters[name], _context) : new Weight(data, _context, int8));
        return _weights[^1];
    }

    /// <summary>Returns the weight of the embedding or the output layer: the adapter's, or the model's.</summary>
    private Weight Whole(string module)
    {
        var name = module + LoraLayout.Weight;
        if (_adapter?.Factors.FirstOrDefault(factor => factor.Name == name) is not { } values)
        {
            var stored = module == ModelLayout.Head && _folder.Configuration.TieWordEmbeddings ? ModelLayout.Embedding + LoraLayout.Weight : name;
            return Load(stored, _folder.Configuration.VocabularySize, _folder.Configuration.HiddenSize);
        }
        _weights.Add(Find(name) is { } trained ? new Weight(trained, _context) : new Weight(values, _context));
        return _weights[^1];
    }

    private void Attach(LoraConfiguration lora)
    {
        foreach (var linear in Layers.SelectMany(layer => layer.Linears))
        {
            if (Find(linear.Module + LoraLayout.Bias) is { } bias) linear.Bias = new Weight(bias, _context);
            linear.Lora = Factors(lora, linear.Module);
        }
        Head.Lora = Factors(lora, ModelLayout.Head);
        const string embedding = ModelLayout.Embedding;
        if (lora.Resolve(embedding) is { } target)
            Embedding.Attach(Parameters[embedding + LoraLayout.EmbeddingA], Parameters[embedding + LoraLayout.EmbeddingB], target.Scaling);
    }

    /// <summary>Returns the factors of a linear layer or the output layer; null if it is not adapted.</summary>
    private LoraFactors? Factors(LoraConfiguration lora, string module)
    {
        if (lora.Resolve(module) is not { } target) return null;
        _adapted.Add(DropoutMask.ModuleKey(module));
        return new LoraFactors(_adapted.Count - 1, Parameters, Parameters[module + LoraLayout.A], Parameters[module + LoraLayout.B], target.Scaling,
            lora.Dropout)
        {
            Magnitude = Find(module + LoraLayout.Magnitude),
            Bias = Find(module + LoraLayout.BiasOfB),
        };
    }

    private Parameter? Find(string name) => _names.Contains(name) ? Parameters[name] : null;
}
