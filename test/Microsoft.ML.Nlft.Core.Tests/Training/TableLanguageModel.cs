using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>
/// A language model small enough to check by hand: the logit of token y after token x, in a sequence that begins with token z, is
/// Pair[x, y] + Start[z, y]. Both tables are trainable, in double precision, with exact gradients and AdamW. The first prompt token
/// is its context. It records what it was asked.
/// </summary>
internal sealed class TableLanguageModel : ICausalLanguageModel
{
    private readonly int _v;
    private readonly double[] _firstMoment, _secondMoment;
    private int _optimizerSteps;

    public TableLanguageModel(int vocabulary, int seed = 1, int maximumPositions = 64)
    {
        _v = vocabulary;
        Configuration = new ModelConfiguration
        {
            ModelType = "llama", VocabularySize = vocabulary, HiddenSize = 2, IntermediateSize = 2, LayerCount = 1, HeadCount = 1,
            KeyValueHeadCount = 1, HeadSize = 2, MaximumPositions = maximumPositions, SlidingWindows = [0],
        };
        var random = new Random(seed);
        Weights = [.. Enumerable.Range(0, 2 * vocabulary * vocabulary).Select(_ => random.NextDouble() * 4 - 2)];
        Gradients = new double[Weights.Length];
        _firstMoment = new double[Weights.Length];
        _secondMoment = new double[Weights.Length];
    }

    /// <summary>Pair (V x V), then Start (V x V).</summary>
    public double[] Weights { get; }

    public double[] Gradients { get; }

    /// <summary>A context token whose sequences score NaN, to simulate a network gone wrong.</summary>
    public int? PoisonedContext { get; set; }

    /// <summary>Called at the beginning of every Forward, with the number of Forward calls so far.</summary>
    public Action<int>? OnForward { get; set; }

    /// <summary>Called at the beginning of every step of decoding.</summary>
    public Action<CancellationToken>? OnAppend { get; set; }

    public Action? OnDispose { get; init; }

    public List<TokenSequence[]> ScoreCalls { get; } = [];

    public List<(TokenSequence[] Sequences, bool HiddenStates)> ForwardCalls { get; } = [];

    public List<float[][]> Coefficients { get; } = [];

    public List<double[]> GradientsOfSteps { get; } = [];

    public List<int> DecodingBatches { get; } = [];

    public ModelConfiguration Configuration { get; }

    public LoraConfiguration? Lora => null;

    public TrainableWeights Trainable { get; init; } = TrainableWeights.All;

    public double[] LogProbabilities(int context, int previous)
    {
        var logits = Enumerable.Range(0, _v).Select(y => Weights[previous * _v + y] + Weights[(_v + context) * _v + y]).ToArray();
        var max = logits.Max();
        var log = max + Math.Log(logits.Sum(l => Math.Exp(l - max)));
        return Array.ConvertAll(logits, l => l - log);
    }

    public IReadOnlyList<TokenScores> Score(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false,
        CancellationToken cancellationToken = default)
    {
        ScoreCalls.Add([.. batch]);
        return [.. batch.Select(s => Scores(s, hiddenStates))];
    }

    public IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default)
    {
        ForwardCalls.Add(([.. batch], hiddenStates));
        OnForward?.Invoke(ForwardCalls.Count);
        cancellationToken.ThrowIfCancellationRequested();
        return new Pass(this, [.. batch], [.. batch.Select(s => Scores(s, hiddenStates))]);
    }

    public void ClearGradients() => Array.Clear(Gradients);

    public double ApplyGradients(AdamWOptions options, double learningRate)
    {
        GradientsOfSteps.Add([.. Gradients]);
        var norm = Math.Sqrt(Gradients.Sum(g => g * g));
        if (double.IsFinite(norm))
        {
            _optimizerSteps++;
            var clip = Math.Min(1, options.MaximumGradientNorm / (norm + 1e-6));
            for (var i = 0; i < Weights.Length; i++)
            {
                var g = Gradients[i] * clip;
                _firstMoment[i] += (1 - options.Beta1) * (g - _firstMoment[i]);
                _secondMoment[i] += (1 - options.Beta2) * (g * g - _secondMoment[i]);
                var m = _firstMoment[i] / (1 - Math.Pow(options.Beta1, _optimizerSteps));
                var v = _secondMoment[i] / (1 - Math.Pow(options.Beta2, _optimizerSteps));
                Weights[i] -= learningRate * (m / (Math.Sqrt(v) + options.Epsilon) + options.WeightDecay * Weights[i]);
            }
        }

        Array.Clear(Gradients);
        return norm;
    }

    public IReadOnlyList<NamedTensor> Export(ModelState state) =>
        state == ModelState.Optimizer ? throw new NotSupportedException()
            : [new("tables", [2, _v, _v], Array.ConvertAll(Table(state), x => (float)x))];

    public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors) =>
        tensors[0].Values.Select(x => (double)x).ToArray().CopyTo(Table(state), 0);

    public IDecodingSession StartDecoding(IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens,
        CancellationToken cancellationToken = default)
    {
        DecodingBatches.Add(prompts.Count);
        return new Session(this, [.. prompts.Select(p => p.ToArray())]);
    }

    public void Dispose() => OnDispose?.Invoke();

    private double[] Table(ModelState state) => state == ModelState.Weights ? Weights : Gradients;

    private TokenScores Scores(TokenSequence sequence, bool hiddenStates)
    {
        var tokens = sequence.Tokens.ToArray();
        var n = sequence.ResponseLength;
        var (log, likeliest, hidden) = (new float[n], new bool[n], hiddenStates ? new float[2 * n] : []);
        for (var t = 0; t < n; t++)
        {
            var at = sequence.PromptLength + t;
            var p = LogProbabilities(tokens[0], tokens[at - 1]);
            log[t] = PoisonedContext == tokens[0] ? float.NaN : (float)p[tokens[at]];
            likeliest[t] = p[tokens[at]] == p.Max();
            if (hiddenStates) (hidden[2 * t], hidden[2 * t + 1]) = (tokens[0], tokens[at - 1]);
        }

        double[] Distribution(int t) => LogProbabilities(tokens[0], tokens[sequence.PromptLength + t - 1]);
        int[][] best = [.. Enumerable.Range(0, n).Select(t =>
            Enumerable.Range(0, _v).OrderByDescending(id => Distribution(t)[id]).Take(sequence.Likeliest).ToArray())];
        return new TokenScores(log, likeliest, hidden)
        {
            CandidateLogProbabilities =
                [.. sequence.Candidates.ToArray().Select((id, i) => (float)Distribution(i / sequence.CandidatesPerToken)[id])],
            Likeliest = sequence.Likeliest == 0 ? null : new LikeliestTokens(best[0].Length, [.. best.SelectMany(ids => ids)],
                [.. best.SelectMany((ids, t) => ids.Select(id => (float)Distribution(t)[id]))]),
        };
    }

    private sealed class Pass(TableLanguageModel model, TokenSequence[] batch, TokenScores[] scores) : IForwardPass
    {
        public IReadOnlyList<TokenScores> Scores => scores;

        public void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default)
        {
            model.Coefficients.Add([.. coefficients.Select(c => c.ToArray())]);
            for (var s = 0; s < batch.Length; s++)
            {
                var tokens = batch[s].Tokens.ToArray();
                var perToken = coefficients[s].Length / batch[s].ResponseLength;
                for (var i = 0; i < coefficients[s].Length; i++)
                {
                    var (at, k) = (batch[s].PromptLength + i / perToken, i % perToken - 1);
                    var token = k < 0 ? tokens[at] : batch[s].Candidates.Span[i / perToken * (perToken - 1) + k];
                    var p = model.LogProbabilities(tokens[0], tokens[at - 1]);
                    for (var y = 0; y < model._v; y++)
                    {
                        var g = coefficients[s].Span[i] * (Math.Exp(p[y]) - (y == token ? 1 : 0));
                        model.Gradients[tokens[at - 1] * model._v + y] += g;
                        model.Gradients[(model._v + tokens[0]) * model._v + y] += g;
                    }
                }
            }
        }

        public void Dispose()
        {
        }
    }

    private sealed class Session(TableLanguageModel model, int[][] prompts) : IDecodingSession
    {
        private readonly int[] _last = Array.ConvertAll(prompts, p => p[^1]);

        public int Count => prompts.Length;

        public ReadOnlySpan<float> Logits(int sequence) =>
            _last[sequence] < 0 ? throw new InvalidOperationException("retired")
                : Array.ConvertAll(model.LogProbabilities(prompts[sequence][0], _last[sequence]), x => (float)x);

        public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default)
        {
            model.OnAppend?.Invoke(cancellationToken);
            for (var i = 0; i < tokens.Length; i++) _last[i] = _last[i] < 0 ? -1 : tokens[i];
        }

        public void Dispose()
        {
        }
    }
}
