using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp.Layers;
using Microsoft.ML.Nlft.TorchSharp.Runtime;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>A model on a TorchSharp device. Its tensors belong to no caller's dispose scope; what a call allocates is freed when it ends.</summary>
internal sealed class TorchLanguageModel : ICausalLanguageModel
{
    private readonly TorchSharpEngine _engine;
    private readonly string _device;

    public TorchLanguageModel(TorchSharpEngine engine, Device device, ModelLoadOptions options, CancellationToken cancellationToken)
    {
        (_engine, _device) = (engine, engine.Device);
        Trainable = options.Trainable;
        Context = new DeviceContext(device, engine.ComputeType == TensorType.BF16 ? ScalarType.BFloat16 : ScalarType.Float32);
        Recompute = engine.Recompute;
        var c = options.Folder.Configuration;
        Rope = new RotaryEmbedding(c, c.Rope, Context);
        SlidingRope = c.SlidingRope is { } sliding ? new RotaryEmbedding(c, sliding, Context) : null;
        Network = new Network(options, Context, engine.Bits, cancellationToken);
    }

    public ModelConfiguration Configuration => Network.Configuration;
    public LoraConfiguration? Lora => Network.Lora;
    public TrainableWeights Trainable { get; }

    internal DeviceContext Context { get; }
    internal Network Network { get; }
    internal RotaryEmbedding Rope { get; }

    /// <summary>The rotary embedding of layers with a sliding window; null if they share <see cref="Rope"/>.</summary>
    internal RotaryEmbedding? SlidingRope { get; }
    internal bool Recompute { get; }

    public IReadOnlyList<TokenScores> Score(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false,
        CancellationToken cancellationToken = default)
    {
        if (batch.Count == 0) return [];
        using var pass = Run(() => new TorchForwardPass(this, batch, hiddenStates, keep: false, cancellationToken));
        return pass.Scores;
    }

    public IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default)
    {
        RequireTrainable();
        return Run(() => new TorchForwardPass(this, batch, hiddenStates, keep: true, cancellationToken));
    }

    public double ApplyGradients(AdamWOptions options, double learningRate)
    {
        RequireTrainable();
        var norm = Run(() => AdamW.Step(Network.Parameters, options, learningRate));
        if (Context.Device.type == DeviceType.CUDA) _engine.MeasureMemory(); // once a step: the driver waits for the device
        return norm;
    }

    public void ClearGradients() => Network.Parameters.ClearGradients();

    public IReadOnlyList<NamedTensor> Export(ModelState state) => Network.Parameters.Export(state);

    public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors) => Network.Parameters.Import(state, tensors);

    public IDecodingSession StartDecoding(IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens,
        CancellationToken cancellationToken = default) =>
        Run(() => new TorchDecodingSession(this, prompts, maximumNewTokens, cancellationToken));

    public void Dispose()
    {
        Network.Dispose();
        Rope.Dispose();
        SlidingRope?.Dispose();
    }

    /// <summary>Runs the work of one call; explains out-of-memory errors.</summary>
    internal T Run<T>(Func<T> work) => TorchErrors.Explain(_device, work);

    internal static float[] ToHost(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
    }

    private void RequireTrainable()
    {
        if (Trainable == TrainableWeights.None)
            throw new InvalidOperationException("The model was loaded for inference: load it with Trainable = Lora or All to train it.");
    }
}
