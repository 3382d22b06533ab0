using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Ranks;

/// <summary>An engine on a machine that is slower than the others.</summary>
internal sealed class SlowEngine(IModelEngine engine, int milliseconds) : IModelEngine
{
    public string Name => $"{engine.Name}, slow";

    public string Arithmetic => engine.Arithmetic;

    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) => new SlowModel(engine.Load(options, cancellationToken), milliseconds);

    private sealed class SlowModel(ICausalLanguageModel model, int milliseconds) : ICausalLanguageModel
    {
        public ModelConfiguration Configuration => model.Configuration;

        public LoraConfiguration? Lora => model.Lora;

        public TrainableWeights Trainable => model.Trainable;

        public IReadOnlyList<TokenScores> Score(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
            model.Score(batch, hiddenStates, cancellationToken);

        public IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default)
        {
            Thread.Sleep(milliseconds);
            return model.Forward(batch, hiddenStates, cancellationToken);
        }

        public double ApplyGradients(AdamWOptions options, double learningRate) => model.ApplyGradients(options, learningRate);

        public void ClearGradients() => model.ClearGradients();

        public IReadOnlyList<NamedTensor> Export(ModelState state) => model.Export(state);

        public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors) => model.Import(state, tensors);

        public IDecodingSession StartDecoding(IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens, CancellationToken cancellationToken = default) =>
            model.StartDecoding(prompts, maximumNewTokens, cancellationToken);

        public void Dispose() => model.Dispose();
    }
}
