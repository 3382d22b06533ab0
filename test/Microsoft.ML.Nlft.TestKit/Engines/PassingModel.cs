using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Forwards every call to another model, which it does not own; derived classes override calls to observe or change them.</summary>
public abstract class PassingModel(ICausalLanguageModel model) : ICausalLanguageModel
{
    public ModelConfiguration Configuration => model.Configuration;

    public LoraConfiguration? Lora => model.Lora;

    public TrainableWeights Trainable => model.Trainable;

    public virtual IReadOnlyList<TokenScores> Score(
        IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
        model.Score(batch, hiddenStates, cancellationToken);

    public virtual IForwardPass Forward(
        IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
        model.Forward(batch, hiddenStates, cancellationToken);

    public virtual double ApplyGradients(AdamWOptions options, double learningRate) => model.ApplyGradients(options, learningRate);

    public void ClearGradients() => model.ClearGradients();

    public IReadOnlyList<NamedTensor> Export(ModelState state) => model.Export(state);

    public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors) => model.Import(state, tensors);

    public virtual IDecodingSession StartDecoding(
        IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens, CancellationToken cancellationToken = default) =>
        model.StartDecoding(prompts, maximumNewTokens, cancellationToken);

    public virtual void Dispose()
    {
    }
}
