using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The layers of a decoder, loaded tensor by tensor from a model folder to the device, and its trainable tensors.
/// </summary>
internal sealed class Network : IDisposable
{
    private readonly List<Weight> _weights = [];
    private readonly Dictionary<string, Weight> _frozen = new(StringComparer.Ordinal); // those read from the folder
    private readonly Network? _shared;
    private readonly List<uint> _adapted = [];
    private readonly ModelFolder _folder;
    private readonly DeviceContext _context;
    private readonly LoraAdapter? _adapter;
    private readonly HashSet<string> _names; // of the parameters
    private readonly bool _trainAll;
    private readonly int? _bits; // of the layers' frozen matrices; null: of the compute type

    public Network(ModelLoadOptions options, DeviceContext context, int? bits, CancellationToken cancellationToken)
    {
        (_folder, _context, _bits, _trainAll) = (options.Folder, context, bits, options.Trainable == TrainableWeights.All);
        _shared = options.SharedWith is TorchLanguageModel other && other.Network.IsSharable(_folder, context, bits) ? other.Network : null;
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
        Parameters = new ParameterStore(layout, trainable: options.Trainable != TrainableWeights.None, context.Device,
            copyType: _trainAll ? float32 : context.ComputeType);
        Operators = new FusedOperators(c.NormEpsilon);
        try
        {
            foreach (var factor in _adapter?.Trained ?? []) Parameters.Fill(factor.Name, factor.Values);
            Embedding = new TokenEmbedding(Whole(ModelLayout.EmbeddingModule(c)), c.EmbeddingMultiplier,
                ModelLayout.Positions(c) is { } positions ? Load(positions) : null);
            Layers = new DecoderLayer[c.LayerCount];
            for (var i = 0; i < Layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Layers[i] = CreateLayer(c, i, ModelLayout.Layer(c, i));
            }
            FinalNorm = Norm(ModelLayout.FinalNorm(c));
            Head = new TokenHead(c.TieWordEmbeddings ? Embedding.Weight : Whole(ModelLayout.HeadModule(c)), 1 / c.LogitsDivisor, c.LogitsSoftCap,
                ModelLayout.HeadBias(c) is { } bias ? Load(bias) : null);
            if (Lora is not null) Attach(Lora);
            if (Lora is { Dropout: > 0 } && _adapted.Count > 0)
            {
                var widest = _adapter!.Factors.Where(factor => factor.Shape.Length == 2).Max(factor => factor.Shape[1]);
                DropoutKeys = new(_adapted, widest, context.Device);
            }
            FirstTrainable = Array.FindIndex(Layers, layer => layer.IsTrainable);
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
    public INorm FinalNorm { get; }
    public TokenHead Head { get; }
    public LoraConfiguration? Lora { get; }

    /// <summary>The keys of the dropout masks; null without dropout.</summary>
    public DropoutKeys? DropoutKeys { get; private set; }

    /// <summary>The operators that the layers share.</summary>
    public FusedOperators Operators { get; }

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
        Operators.Dispose();
        DropoutKeys?.Dispose();
    }

    private DecoderLayer CreateLayer(ModelConfiguration c, int index, LayerLayout modules)
    {
        var attentionNorm = NormOrNull(modules.AttentionNorm);
        return new DecoderLayer(index, c)
        {
            AttentionNorm = attentionNorm,
            AttentionOutputNorm = NormOrNull(modules.AttentionOutputNorm),
            Qkv = Qkv(modules.Qkv),
            O = Linear(modules.Output),
            QueryNorm = NormOrNull(modules.QueryNorm),
            KeyNorm = NormOrNull(modules.KeyNorm),
            FeedForwardNorm = modules.FeedForwardNorm == modules.AttentionNorm ? attentionNorm : NormOrNull(modules.FeedForwardNorm),
            FeedForwardOutputNorm = NormOrNull(modules.FeedForwardOutputNorm),
            IsByHand = DecoderLayer.MayBeByHand(c, Lora),
            FeedForward = modules.Router is { } router ? Experts(c, router, modules.GateUp[0], modules.Down)
                : new FeedForward([.. modules.GateUp.Select(Linear)], Linear(modules.Down), c),
        };
    }

    private Experts Experts(ModelConfiguration c, LinearModule router, LinearModule gateUp, LinearModule down)
    {
        var experts = Enumerable.Range(0, c.Experts!.Count);
        return new Experts(c, Part(router, 0),
            [.. experts.Select(expert => new Expert(Part(gateUp, 2 * expert), Part(gateUp, 2 * expert + 1), Part(down, expert)))], _context);

        Linear Part(LinearModule module, int part) =>
            new(module.Name, Load(module.Parts[part].Weight, module.IsRouter ? null : _bits, module.Parts[part].Rows, module.Inputs), null);
    }

    /// <summary>Queries, keys and values: in one product, unless one of them is trained or adapted.</summary>
    private IReadOnlyList<Linear> Qkv(IReadOnlyList<LinearModule> modules)
    {
        if (_trainAll || modules.Count == 1 || modules.Any(module => module.IsTransposed || module.HasBias != modules[0].HasBias))
            return [.. modules.Select(Linear)];
        var name = string.Join('+', modules.Select(module => module.Name));
        var weight = Stack(
            $"{name}.weight", [.. modules.Select(module => ($"{module.Name}.weight", (long[])[module.Outputs, module.Inputs]))], _bits);
        var bias = modules[0].HasBias
            ? Stack($"{name}.bias", [.. modules.Select(module => ($"{module.Name}.bias", (long[])[module.Outputs]))], bits: null) : null;
        if (!modules.Any(module => _adapter?.Factors.Any(factor => factor.Name.StartsWith($"{module.Name}.", StringComparison.Ordinal)) == true))
            return [new(modules[0].Name, weight, bias)];
        var firsts = modules.Select((_, i) => modules.Take(i).Sum(before => before.Outputs)).ToArray();
        return [.. modules.Select((module, i) =>
            new Linear(module.Name, Part(weight, i), bias is null ? null : Part(bias, i)))];

        Weight Part(Weight whole, int i)
        {
            _weights.Add(new Weight(whole, firsts[i], modules[i].Outputs));
            return _weights[^1];
        }
    }

    /// <summary>Loads frozen weights one below the other.</summary>
    private Weight Stack(string name, IReadOnlyList<(string Name, long[] Shape)> tensors, int? bits) => Frozen(name, () =>
    {
        List<Weight> parts = [];
        try
        {
            foreach (var tensor in tensors) parts.Add(new Weight(_folder.Tensor(tensor.Name, tensor.Shape), _context, bits));
            return new Weight(parts, _context);
        }
        finally
        {
            parts.ForEach(part => part.Dispose());
        }
    });

    private Linear Linear(LinearModule module) => new(module.Name, module.IsTransposed
        ? Load($"{module.Name}.weight", _bits, transposed: true, module.Inputs, module.Outputs)
        : Load($"{module.Name}.weight", _bits, module.Outputs, module.Inputs),
        module.HasBias ? Load($"{module.Name}.bias", bits: null, module.Outputs) : null);

    private INorm? NormOrNull(NormModule? norm) => norm is null ? null : Norm(norm);

    private INorm Norm(NormModule norm)
    {
        var (weight, c) = (Load($"{norm.Name}.weight", bits: null, norm.Size), _folder.Configuration);
        return norm.HasBias ? new LayerNorm(weight, Load($"{norm.Name}.bias", bits: null, norm.Size), c.NormEpsilon)
            : new RmsNorm(weight, plusOne: c.NormKind == NormKind.RmsPlusOne, Operators);
    }

    private Weight Load(WeightShape weight) => Load(weight.Name, bits: null, weight.Shape);

    private Weight Load(string name, int? bits, params long[] shape) => Load(name, bits, transposed: false, shape);

    private Weight Load(string name, int? bits, bool transposed, params long[] shape)
    {
        if (_trainAll)
        {
            Parameters.Fill(name, _folder.Tensor(name, shape));
            _weights.Add(new Weight(Parameters[name], _context, transposed));
            return _weights[^1];
        }
        return Frozen(name, () => new Weight(_folder.Tensor(name, shape), _context, bits, transposed));
    }

    /// <summary>Returns a frozen weight of the network that this one shares with, or loads it.</summary>
    private Weight Frozen(string name, Func<Weight> load)
    {
        _weights.Add(_shared?._frozen.GetValueOrDefault(name)?.Share() ?? load());
        _frozen.TryAdd(name, _weights[^1]);
        return _weights[^1];
    }

    /// <summary>Whether frozen weights of this network are those of a folder on a device, in a type.</summary>
    private bool IsSharable(ModelFolder folder, DeviceContext context, int? bits) => _folder.IsAt(folder.Path) && _bits == bits
        && (_context.Device.type, _context.Device.index, _context.ComputeType) == (context.Device.type, context.Device.index, context.ComputeType);

    /// <summary>Returns the weight of the embedding or the output layer: the adapter's, or the model's.</summary>
    private Weight Whole(string module)
    {
        var (name, model) = (module + LoraLayout.Weight, _folder.Configuration);
        if (_adapter?.Factors.FirstOrDefault(factor => factor.Name == name) is not { } values)
            return Load(module == ModelLayout.HeadModule(model) && !model.TieWordEmbeddings ? ModelLayout.Head(model) : ModelLayout.Embedding(model));
        _weights.Add(Find(name) is { } trained ? new Weight(trained, _context) : new Weight(values, _context));
        return _weights[^1];
    }

    private void Attach(LoraConfiguration lora)
    {
        for (var i = 0; i < Layers.Length; i++)
        {
            if (Layers[i].FeedForward is not Experts experts) continue;
            var modules = ModelLayout.Layer(Configuration, i);
            (experts.GateUp, experts.Down) = (Stack(modules.GateUp[0]), Stack(modules.Down));
        }
        foreach (var linear in Layers.SelectMany(layer => layer.Linears))
        {
            if (Find(linear.Module + LoraLayout.Bias) is { } bias) linear.Bias = new Weight(bias, _context);
            linear.Lora = Factors(lora, linear.Module);
        }
        Head.Lora = Factors(lora, ModelLayout.HeadModule(Configuration));
        if (lora.Resolve(ModelLayout.EmbeddingModule(Configuration)) is { } target)
        {
            Embedding.Attach(Parameters[target.Factors + LoraLayout.EmbeddingA], Parameters[target.Factors + LoraLayout.EmbeddingB],
                target.Scaling);
        }

        ExpertFactors? Stack(LinearModule stack) => lora.Resolve(stack.Name) is { } adapted
            ? new(Parameters[adapted.Factors + LoraLayout.A], Parameters[adapted.Factors + LoraLayout.B], stack.Experts, adapted.Scaling) : null;
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
