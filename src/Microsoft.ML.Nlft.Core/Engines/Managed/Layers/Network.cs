using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>The layers of a decoder, loaded from a model folder, and its trainable tensors.</summary>
internal sealed class Network : IDisposable
{
    private readonly List<Weight> _weights = [];
    private readonly Dictionary<string, Weight> _frozen = new(StringComparer.Ordinal); // those read from the folder
    private readonly Network? _shared;
    private readonly ModelFolder _folder;
    private readonly bool _trainAll;
    private readonly ManagedEngineOptions _engine;

    public Network(ModelLoadOptions options, ManagedEngineOptions engine, CancellationToken cancellationToken)
    {
        (_folder, _engine) = (options.Folder, engine);
        _trainAll = options.Trainable == TrainableWeights.All;
        _shared = options.SharedWith is ManagedLanguageModel other && other.Network.IsSharable(_folder, engine) ? other.Network : null;
        var lora = _trainAll || (options.Adapter is null && options.Trainable == TrainableWeights.None) ? null : new LoraBuilder(options);
        var c = Configuration = lora?.Model ?? _folder.Configuration;
        Embedding = new TokenEmbedding(Whole(lora, ModelLayout.EmbeddingModule(c)), (float)c.EmbeddingMultiplier,
            ModelLayout.Positions(c) is { } positions ? Load(positions) : null)
        {
            Lora = lora?.EmbeddingFactors(),
        };
        Layers = new DecoderLayer[c.LayerCount];
        for (var i = 0; i < Layers.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Layers[i] = CreateLayer(c, i, ModelLayout.Layer(c, i));
        }
        FinalNorm = Norm(ModelLayout.FinalNorm(c));
        Head = new TokenHead(c.TieWordEmbeddings ? Embedding.Weight : Whole(lora, ModelLayout.HeadModule(c)), (float)(1 / c.LogitsDivisor),
            (float)(c.LogitsSoftCap ?? 0), ModelLayout.HeadBias(c) is { } bias ? Load(bias.Name, 1, c.VocabularySize, vector: true) : null)
        {
            Lora = lora?.HeadFactors(),
        };
        Parameters = lora?.Parameters ?? (_trainAll ? [.. _weights.Select(weight => weight.Parameter!)] : []);
        Lora = lora?.Configuration;
        lora?.Attach(Layers.SelectMany(layer => layer.Linears));
        IsByRows = c.Experts is null && Layers.SelectMany(layer => layer.Linears).All(linear =>
            linear.Weight.Operand.Transposed.Prepacked(int.MaxValue) is not null && linear.Lora is not { IsPlain: false });
    }

    /// <summary>
    /// Whether a few rows at a time cost no more than all of them together: no weight is packed or unpacked for a product, and no state is shared.
    /// </summary>
    public bool IsByRows { get; }

    /// <summary>The architecture, with the adapter on.</summary>
    public ModelConfiguration Configuration { get; }
    public TokenEmbedding Embedding { get; }
    public DecoderLayer[] Layers { get; }
    public INorm FinalNorm { get; }
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

    private DecoderLayer CreateLayer(ModelConfiguration c, int index, LayerLayout modules)
    {
        var attentionNorm = NormOrNull(modules.AttentionNorm);
        return new DecoderLayer
        {
            Index = index,
            HeadSize = c.HeadSize,
            IsRotated = c.IsRotated(index),
            IsParallel = c.ParallelResidual,
            ResidualMultiplier = (float)c.ResidualMultiplier,
            AttentionNorm = attentionNorm,
            AttentionOutputNorm = NormOrNull(modules.AttentionOutputNorm),
            Qkv = Qkv(c, [.. modules.Qkv.Select(Linear)]),
            O = Linear(modules.Output),
            QueryNorm = NormOrNull(modules.QueryNorm),
            KeyNorm = NormOrNull(modules.KeyNorm),
            Attention = new Attention(c, c.SlidingWindows[index]),
            FeedForwardNorm = modules.FeedForwardNorm == modules.AttentionNorm ? attentionNorm : NormOrNull(modules.FeedForwardNorm),
            FeedForwardOutputNorm = NormOrNull(modules.FeedForwardOutputNorm),
            FeedForward = modules.Router is { } router ? Experts(c, router, modules.GateUp[0], modules.Down)
                : new FeedForward([.. modules.GateUp.Select(Linear)], Linear(modules.Down), c.FeedForwardLayout, c.Activation),
        };
    }

    /// <summary>Returns the weight of the embedding or the output layer: the adapter's, or the model's.</summary>
    private Weight Whole(LoraBuilder? lora, string module)
    {
        if (lora?.Whole(module) is not { } weight)
        {
            var model = _folder.Configuration;
            return Load(module == ModelLayout.HeadModule(model) && !model.TieWordEmbeddings ? ModelLayout.Head(model) : ModelLayout.Embedding(model));
        }
        _weights.Add(weight);
        return weight;
    }

    private Experts Experts(ModelConfiguration c, LinearModule router, LinearModule gateUp, LinearModule down)
    {
        var experts = Enumerable.Range(0, c.Experts!.Count);
        return new Experts(c.Experts, Part(router, 0),
            [.. experts.Select(expert => new Expert(Part(gateUp, 2 * expert), Part(gateUp, 2 * expert + 1), Part(down, expert)))], c.Activation);

        Linear Part(LinearModule module, int part) => new(module.Name,
            Load(module.Parts[part].Weight, module.Parts[part].Rows, module.Inputs, int4: _engine.Int4Weights, exact: module.IsRouter), null);
    }

    private static QueryKeyValue Qkv(ModelConfiguration c, Linear[] linears) =>
        linears is [var query, var key, var value] ? new SeparateQkv(query, key, value)
        : new FusedQkv(linears[0], c.QkvLayout == QkvLayout.ByHead, c.HeadSize);

    private Linear Linear(LinearModule module) => new(module.Name,
        Load($"{module.Name}.weight", module.Outputs, module.Inputs, int4: _engine.Int4Weights, transposed: module.IsTransposed),
        module.HasBias ? Load($"{module.Name}.bias", 1, module.Outputs, vector: true) : null);

    private INorm? NormOrNull(NormModule? norm) => norm is null ? null : Norm(norm);

    private INorm Norm(NormModule norm)
    {
        var (weight, c) = (Load($"{norm.Name}.weight", 1, norm.Size, vector: true), _folder.Configuration);
        return norm.HasBias ? new LayerNorm(weight, Load($"{norm.Name}.bias", 1, norm.Size, vector: true), c.NormEpsilon)
            : new RmsNorm(weight, c.NormEpsilon, plusOne: c.NormKind == NormKind.RmsPlusOne);
    }

    private Weight Load(WeightShape weight) => Load(weight.Name, (int)weight.Shape[0], (int)weight.Shape[1]);

    private Weight Load(string name, int rows, int columns, bool vector = false, bool int4 = false, bool transposed = false,
        bool exact = false)
    {
        int? bits = exact ? null : int4 ? 4 : _engine.Int8Weights || _engine.Int4Weights ? 8 : null;
        var weight = _trainAll ? null : _shared?._frozen.GetValueOrDefault(name)?.Share();
        weight ??= new Weight(_folder, name, rows, columns, vector, _trainAll, bits, transposed);
        if (!_trainAll) _frozen.TryAdd(name, weight);
        _weights.Add(weight);
        return weight;
    }

    /// <summary>Whether frozen weights of this network are those of a folder on an engine with these options.</summary>
    private bool IsSharable(ModelFolder folder, ManagedEngineOptions engine) =>
        _folder.IsAt(folder.Path) && (_engine.Int8Weights, _engine.Int4Weights) == (engine.Int8Weights, engine.Int4Weights);
}
