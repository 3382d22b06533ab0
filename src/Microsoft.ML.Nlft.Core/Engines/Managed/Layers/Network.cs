using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>The layers of a Llama-family decoder, loaded from a model folder, and its trainable tensors.</summary>
internal sealed class Network : IDisposable
{
    private readonly List<Weight> _weights = [];
    private readonly List<Parameter> _parameters = [];
    private readonly ModelFolder _folder;
    private readonly bool _trainAll;
    private readonly ManagedEngineOptions _engine;

    public Network(ModelLoadOptions options, ManagedEngineOptions engine, CancellationToken cancellationToken)
    {
        (_folder, _engine) = (options.Folder, engine);
        _trainAll = options.Trainable == TrainableWeights.All;
        var c = _folder.Configuration;
        Embedding = Load(ModelLayout.Embedding(c));
        Layers = new DecoderLayer[c.LayerCount];
        for (var i = 0; i < Layers.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Layers[i] = CreateLayer(c, i, ModelLayout.Layer(c, i));
        }
        FinalNorm = Norm(ModelLayout.FinalNorm(c));
        Head = new TokenHead(c.TieWordEmbeddings ? Embedding : Load(ModelLayout.Head(c)), (float)(1 / c.LogitsDivisor));
        if (_trainAll)
            _parameters.AddRange(_weights.Select(weight => weight.Parameter!));
        else if (options.Adapter is not null || options.Trainable == TrainableWeights.Lora)
            Lora = LoraBuilder.Attach(Layers.SelectMany(layer => layer.Linears), options, _parameters);
    }

    public Weight Embedding { get; }
    public DecoderLayer[] Layers { get; }
    public RmsNorm FinalNorm { get; }
    public TokenHead Head { get; }
    public LoraConfiguration? Lora { get; }

    /// <summary>The tensors that an optimizer updates: all weights, or the LoRA factors.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>
    /// The lowest layer whose input needs a gradient, because something below it is trainable; the number of layers if there is none.
    /// </summary>
    public int LowestGradient
    {
        get
        {
            if (Embedding.Parameter is not null) return 0;
            var lowest = Array.FindIndex(Layers, layer => layer.IsTrainable);
            return lowest < 0 ? Layers.Length : lowest + 1;
        }
    }

    public void Dispose() => _weights.ForEach(weight => weight.Dispose());

    private DecoderLayer CreateLayer(ModelConfiguration c, int index, LayerLayout modules) => new()
    {
        Index = index,
        HeadSize = c.HeadSize,
        IsRotated = c.RotatedLayers?[index] != false,
        ResidualMultiplier = (float)c.ResidualMultiplier,
        NormAfter = c.NormAfter,
        AttentionNorm = Norm(modules.AttentionNorm),
        Qkv = Qkv(c, [.. modules.Qkv.Select(Linear)]),
        O = Linear(modules.Output),
        QueryNorm = modules.QueryNorm is { } queryNorm ? Norm(queryNorm) : null,
        KeyNorm = modules.KeyNorm is { } keyNorm ? Norm(keyNorm) : null,
        Attention = new Attention(c, c.SlidingWindows[index]),
        FeedForwardNorm = Norm(modules.FeedForwardNorm),
        FeedForward = new FeedForward([.. modules.GateUp.Select(Linear)], Linear(modules.Down)),
    };

    private static QueryKeyValue Qkv(ModelConfiguration c, Linear[] linears) =>
        linears is [var query, var key, var value] ? new SeparateQkv(query, key, value)
        : new FusedQkv(linears[0], c.QkvLayout == QkvLayout.ByHead, c.HeadSize);

    private Linear Linear(LinearModule module) => new(module.Name, Load($"{module.Name}.weight", module.Outputs, module.Inputs, int4: _engine.Int4Weights),
        module.HasBias ? Load($"{module.Name}.bias", 1, module.Outputs, vector: true) : null);

    private RmsNorm Norm(NormModule norm) => new(Load($"{norm.Name}.weight", 1, norm.Size, vector: true), _folder.Configuration.NormEpsilon);

    private Weight Load(WeightShape weight) => Load(weight.Name, (int)weight.Shape[0], (int)weight.Shape[1]);

    private Weight Load(string name, int rows, int columns, bool vector = false, bool int4 = false)
    {
        var weight = new Weight(_folder, name, rows, columns, vector, _trainAll, int4 ? 4 : _engine.Int8Weights || _engine.Int4Weights ? 8 : null);
        _weights.Add(weight);
        return weight;
    }
}
