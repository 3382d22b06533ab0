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
    private readonly bool _trainAll, _int8;

    public Network(ModelLoadOptions options, DeviceContext context, bool int8, CancellationToken cancellationToken)
    {
        (_folder, _context, _int8, _trainAll) = (options.Folder, context, int8, options.Trainable == TrainableWeights.All);
        var c = _folder.Configuration;
        var adapter = _trainAll || (options.Adapter is null && options.Trainable == TrainableWeights.None) ? null
            : options.Adapter ?? LoraAdapter.Create(options.Lora ?? new LoraConfiguration(), _folder, options.Seed);
        adapter?.EnsureFits(c);
        Lora = adapter?.Configuration;
        (string, int[])[] layout = _trainAll
            ? [.. ModelLayout.Weights(c).Select(weight => (weight.Name, weight.Shape.Select(size => (int)size).ToArray()))]
            : [.. adapter?.Factors.Select(factor => (factor.Name, factor.Shape)) ?? []];
        Parameters = new ParameterStore(layout, trainable: options.Trainable != TrainableWeights.None, context.Device);
        try
        {
            Embedding = Load("model.embed_tokens.weight", c.VocabularySize, c.HiddenSize);
            Layers = new DecoderLayer[c.LayerCount];
            for (var i = 0; i < Layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Layers[i] = CreateLayer(c, i);
            }
            FinalNorm = Norm("model.norm.weight", c.HiddenSize);
            Head = new TokenHead(c.TieWordEmbeddings ? Embedding : Load("lm_head.weight", c.VocabularySize, c.HiddenSize), 1 / c.LogitsDivisor,
                c.LogitsSoftCap);
            if (adapter is not null) Attach(adapter);
            FirstTrainable = Array.FindIndex(Layers, layer => layer.Linears.Any(linear => linear.IsTrainable));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Weight Embedding { get; }
    public DecoderLayer[] Layers { get; }
    public RmsNorm FinalNorm { get; }
    public TokenHead Head { get; }
    public LoraConfiguration? Lora { get; }

    /// <summary>The dropout keys of the adapted modules, in the order of their numbers.</summary>
    public IReadOnlyList<ulong> Adapted => _adapted;

    /// <summary>The tensors that an optimizer updates: all weights, or the LoRA factors.</summary>
    public ParameterStore Parameters { get; }

    /// <summary>The lowest layer with a trainable tensor, where a backward pass ends; -1 if there is none.</summary>
    public int FirstTrainable { get; }

    public void Dispose()
    {
        foreach (var linear in Layers?.Where(layer => layer is not null).SelectMany(layer => layer.Linears) ?? []) linear.Lora?.Dispose();
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

    private void Attach(LoraAdapter adapter)
    {
        foreach (var factor in adapter.Factors) Parameters.Fill(factor.Name, factor.Values);
        var names = adapter.Factors.Select(factor => factor.Name).ToHashSet();
        foreach (var linear in Layers.SelectMany(layer => layer.Linears))
        {
            if (Of(linear, LoraLayout.Bias) is { } bias) linear.Bias = new Weight(bias, _context);
            if (adapter.Configuration.Resolve(linear.Module) is not { } target) continue;
            linear.Lora = new LoraFactors(_adapted.Count, Parameters, Of(linear, LoraLayout.A)!, Of(linear, LoraLayout.B)!, target.Scaling,
                adapter.Configuration.Dropout)
            {
                Magnitude = Of(linear, LoraLayout.Magnitude),
                Bias = Of(linear, LoraLayout.BiasOfB),
            };
            _adapted.Add(DropoutMask.ModuleKey(linear.Module));
        }

        Parameter? Of(Linear linear, string part) => names.Contains(linear.Module + part) ? Parameters[linear.Module + part] : null;
    }
}
