using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>An engine with a delay in every forward pass.</summary>
public sealed class SlowEngine(IModelEngine engine, int milliseconds) : IModelEngine
{
    public string Name => $"{engine.Name}, slow";

    public string Arithmetic => engine.Arithmetic;

    public string Device => engine.Device;

    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) =>
        new SlowModel(engine.Load(options, cancellationToken), milliseconds);

    private sealed class SlowModel(ICausalLanguageModel model, int milliseconds) : PassingModel(model)
    {
        private readonly ICausalLanguageModel _owned = model;

        public override IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false,
            CancellationToken cancellationToken = default)
        {
            Thread.Sleep(milliseconds);
            return base.Forward(batch, hiddenStates, cancellationToken);
        }

        public override void Dispose() => _owned.Dispose();
    }
}
