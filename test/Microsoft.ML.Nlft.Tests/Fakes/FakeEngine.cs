using System.Text;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Fakes;

/// <summary>
/// An engine without a network: it answers a prompt with a number that depends on every token of it, moves all weights by the learning rate in each
/// step, and fails when two threads use a model at once.
/// </summary>
internal sealed class FakeEngine : IModelEngine
{
    private readonly List<int> _batches = [];

    public string Name => "fake";

    /// <summary>Prompts of each decoding session.</summary>
    public IReadOnlyList<int> Batches => _batches;

    /// <summary>Rows answered.</summary>
    public int Answers => _batches.Sum();

    /// <summary>The texts of all prompts, in order.</summary>
    public List<string> Prompts { get; } = [];

    public int Loaded { get; private set; }

    public int Disposed { get; private set; }

    /// <summary>The options of the last load.</summary>
    public ModelLoadOptions? Options { get; private set; }

    /// <summary>The GPU that was last asked for.</summary>
    public (int DeviceId, bool FallbackToCpu)? Gpu { get; private set; }

    public IModelEngine OnGpu(int deviceId, bool fallbackToCpu)
    {
        Gpu = (deviceId, fallbackToCpu);
        return this;
    }

    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default)
    {
        Loaded++;
        Options = options;
        return new Model(this, options);
    }

    private sealed class Model(FakeEngine engine, ModelLoadOptions options) : ICausalLanguageModel
    {
        private IReadOnlyList<NamedTensor> _weights = options switch
        {
            { Adapter: { } adapter } => adapter.Factors,
            { Lora: { } lora } => LoraAdapter.Create(lora, options.Folder.Configuration, options.Seed).Factors,
            _ => [],
        };
        private int _users;

        public ModelConfiguration Configuration => options.Folder.Configuration;

        public LoraConfiguration? Lora => options.Adapter?.Configuration ?? options.Lora;

        public TrainableWeights Trainable => options.Trainable;

        public IReadOnlyList<TokenScores> Score(
            IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
            [.. batch.Select(s => new TokenScores(
                [.. Enumerable.Repeat(-1f, s.ResponseLength)], [.. Enumerable.Repeat(true, s.ResponseLength)],
                hiddenStates ? Enumerable.Repeat(1f, s.ResponseLength * Configuration.HiddenSize).ToArray() : default))];

        public IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
            new Pass(Score(batch, hiddenStates, cancellationToken));

        public double ApplyGradients(AdamWOptions optimizer, double learningRate)
        {
            _weights = [.. _weights.Select(w => w with { Values = Array.ConvertAll(w.Values, v => v + (float)learningRate) })];
            return 1;
        }

        public void ClearGradients()
        {
        }

        public IReadOnlyList<NamedTensor> Export(ModelState state) => state == ModelState.Weights ? _weights : [];

        public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors)
        {
        }

        public IDecodingSession StartDecoding(
            IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens, CancellationToken cancellationToken = default)
        {
            if (Interlocked.Increment(ref _users) != 1) throw new InvalidOperationException("Two threads use the model at once.");
            engine._batches.Add(prompts.Count);
            engine.Prompts.AddRange(prompts.Select(p => Encoding.UTF8.GetString([.. p.ToArray().Where(id => id < 256).Select(id => (byte)id)])));
            return new Session([.. prompts.Select(Answer)], Configuration.VocabularySize, () => Interlocked.Decrement(ref _users));
        }

        public void Dispose() => engine.Disposed++;

        private static byte[] Answer(ReadOnlyMemory<int> prompt)
        {
            var hash = 17;
            foreach (var id in prompt.Span) hash = unchecked(hash * 31 + id) & 0xFFFFF;
            return Encoding.UTF8.GetBytes($"It is {hash}. #### {hash}");
        }
    }

    private sealed class Pass(IReadOnlyList<TokenScores> scores) : IForwardPass
    {
        public IReadOnlyList<TokenScores> Scores => scores;

        public void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default)
        {
        }

        public void Dispose()
        {
        }
    }

    private sealed class Session(byte[][] answers, int vocabularySize, Action disposed) : IDecodingSession
    {
        private int _step;

        public int Count => answers.Length;

        public ReadOnlySpan<float> Logits(int sequence)
        {
            var logits = new float[vocabularySize];
            logits[_step < answers[sequence].Length ? answers[sequence][_step] : ModelOnDisk.EndOfSequence] = 100;
            return logits;
        }

        public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default) => _step++;

        public void Dispose() => disposed();
    }
}
