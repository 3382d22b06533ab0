using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>A model on the managed engine.</summary>
internal sealed class ManagedLanguageModel : ICausalLanguageModel
{
    private readonly Workers _workers;
    private readonly Workspace _workspace = new();
    private readonly Network _network;
    private readonly AdamW _optimizer;
    private readonly RotaryTable _rope;
    private readonly RotaryTable? _slidingRope;

    public ManagedLanguageModel(ManagedEngineOptions engine, ModelLoadOptions options, CancellationToken cancellationToken)
    {
        _workers = new Workers(engine.Threads != 0 ? engine.Threads : options.Processors != 0 ? options.Processors : Environment.ProcessorCount);
        ActivationMemory = engine.ActivationMemory ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;
        Trainable = options.Trainable;
        _network = new Network(options, engine, cancellationToken);
        _optimizer = new AdamW(_network.Parameters);
        PromptCache = new PromptCache(Configuration, _workspace, engine.PromptCacheMemory);
        _rope = new RotaryTable(Configuration, Configuration.Rope);
        _slidingRope = Configuration.SlidingRope is { } sliding ? new RotaryTable(Configuration, sliding) : null;
    }

    public ModelConfiguration Configuration => _network.Configuration;
    public LoraConfiguration? Lora => _network.Lora;
    public TrainableWeights Trainable { get; }

    public IReadOnlyList<TokenScores> Score(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false,
        CancellationToken cancellationToken = default)
    {
        using var pass = new ManagedForwardPass(this, batch, hiddenStates, training: false, cancellationToken);
        return pass.Scores;
    }

    public IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default)
    {
        RequireTrainable();
        return new ManagedForwardPass(this, batch, hiddenStates, training: true, cancellationToken);
    }

    public double ApplyGradients(AdamWOptions options, double learningRate)
    {
        RequireTrainable();
        var norm = _optimizer.GradientNorm();
        PromptCache.Clear();
        if (double.IsFinite(norm)) _optimizer.Step(_workers, options, learningRate, norm);
        _optimizer.ClearGradients();
        return norm;
    }

    public void ClearGradients() => _optimizer.ClearGradients();

    public IDecodingSession StartDecoding(IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens,
        CancellationToken cancellationToken = default) =>
        new ManagedDecodingSession(this, prompts, maximumNewTokens, cancellationToken);

    public IReadOnlyList<NamedTensor> Export(ModelState state)
    {
        IEnumerable<NamedTensor> Tensors(Func<Parameter, float[]> values, string suffix = "") =>
            _network.Parameters.Select(p => new NamedTensor(p.Name + suffix, p.StoredShape, p.Export(values(p))));
        return state switch
        {
            ModelState.Weights => [.. Tensors(p => p.Values)],
            ModelState.Gradients => [.. Tensors(p => p.Gradient)],
            ModelState.Optimizer =>
                [.. Tensors(p => p.Moment1, ".exp_avg"), .. Tensors(p => p.Moment2, ".exp_avg_sq"), new("step", [], [_optimizer.Steps])],
            _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
        };
    }

    public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors)
    {
        var targets = new Dictionary<string, (Parameter Parameter, float[] Values)>();
        foreach (var p in _network.Parameters)
        {
            if (state == ModelState.Optimizer)
                (targets[p.Name + ".exp_avg"], targets[p.Name + ".exp_avg_sq"]) = ((p, p.Moment1), (p, p.Moment2));
            else
                targets[p.Name] = (p, state == ModelState.Weights ? p.Values : p.Gradient);
        }
        var step = new float[] { _optimizer.Steps };
        if (state == ModelState.Optimizer) targets["step"] = (new Parameter("step", [], step), step);

        NamedTensors.RequireExactly(tensors, targets.ToDictionary(target => target.Key, target => target.Value.Parameter.StoredShape));
        foreach (var tensor in tensors) targets[tensor.Name].Parameter.Import(targets[tensor.Name].Values, tensor.Values);
        _optimizer.Steps = (int)step[0];
        foreach (var p in _network.Parameters) p.Version++;
        PromptCache.Clear();
    }

    public void Dispose()
    {
        PromptCache.Clear();
        _network.Dispose();
    }

    internal Network Network => _network;

    internal Workspace Workspace => _workspace;

    internal PromptCache PromptCache { get; }

    /// <summary>Maximum number of bytes of activations that a training pass stores.</summary>
    internal long ActivationMemory { get; }

    internal EngineContext Context(PackedBatch batch, bool training) => new(_workers, _workspace, batch, training);

    /// <summary>The rotary position embedding of a batch in each kind of layer.</summary>
    internal LayerRopes Ropes(PackedBatch batch)
    {
        var rope = _rope.Of(batch);
        return new(rope, _slidingRope?.Of(batch) ?? rope);
    }

    private void RequireTrainable()
    {
        if (Trainable == TrainableWeights.None)
            throw new InvalidOperationException("The model was loaded for inference: load it with Trainable = Lora or All to train it.");
    }
}

/// <summary>The rotary position embedding of a batch.</summary>
/// <param name="Full">For layers that see every position.</param>
/// <param name="Sliding">For layers with a sliding window.</param>
internal readonly record struct LayerRopes(RotaryRows Full, RotaryRows Sliding)
{
    public RotaryRows Of(DecoderLayer layer) => layer.Attention.IsSliding ? Sliding : Full;
}
