using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit.Tests;

/// <summary>
/// The smallest engine that learns: the last token alone predicts the next. h = e + s B A e with the token's embedding e and the factors A and B of
/// one module, logits z = E h.
/// </summary>
internal sealed class LinearEngine : IModelEngine
{
    public string Name => "linear";

    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) => new LinearModel(options);
}

/// <summary>A model of <see cref="LinearEngine"/>. Factors, gradients and moments lie in one array each: A [r, H], then B [H, r].</summary>
internal sealed class LinearModel : ICausalLanguageModel
{
    private readonly float[] _embedding;
    private readonly IReadOnlyList<NamedTensor> _layout;
    private readonly double _scaling;
    private readonly float[] _values, _gradients, _first, _second;
    private int _steps;

    public LinearModel(ModelLoadOptions options)
    {
        (Configuration, Trainable) = (options.Folder.Configuration, options.Trainable);
        _embedding = options.Folder.Tensor("model.embed_tokens.weight", Configuration.VocabularySize, Configuration.HiddenSize).ToArray();
        var lora = options.Lora ?? new() { Rank = 1, TargetModules = ["o_proj"], Layers = [0] };
        var adapter = options.Adapter ?? LoraAdapter.Create(lora, Configuration, options.Seed);
        adapter.EnsureFits(Configuration);
        (Lora, _layout, _scaling) = (adapter.Configuration, adapter.Factors, adapter.Configuration.Resolve(Configuration).Single().Scaling);
        _values = [.. _layout.SelectMany(factor => factor.Values)];
        (_gradients, _first, _second) = (new float[_values.Length], new float[_values.Length], new float[_values.Length]);
    }

    public ModelConfiguration Configuration { get; }
    public LoraConfiguration? Lora { get; }
    public TrainableWeights Trainable { get; }
    private int Width => Configuration.HiddenSize;
    private int Rank => _layout[0].Shape[0];

    public IReadOnlyList<TokenScores> Score(
        IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default)
    {
        var packed = PackedBatch.Create([.. batch.Select(sequence => sequence.Tokens)], Configuration);
        var asked = AskedTokens.Of(batch, Configuration);
        var hidden = asked.PackedRows().Select(row => Hidden(packed.Tokens[row])).ToArray();
        var logProbabilities = hidden.Select(Logits).Select(row => Array.ConvertAll(row, z => z - LogSum(row))).ToArray();
        int[][] likeliest = [.. logProbabilities.Select(row =>
            Enumerable.Range(0, row.Length).OrderByDescending(id => row[id]).Take(asked.Likeliest).ToArray())];
        return asked.Scores(
            [.. logProbabilities.SelectMany((row, i) => asked.Tokens[asked.Firsts[i]..asked.Firsts[i + 1]].Select(id => row[id]))],
            [.. logProbabilities.Select((row, i) => row[asked.Tokens[asked.Firsts[i]]] >= row.Max())],
            new LikeliestTokens(asked.Likeliest, [.. likeliest.SelectMany(ids => ids)],
                [.. likeliest.SelectMany((ids, i) => ids.Select(id => logProbabilities[i][id]))]),
            hiddenStates ? s => hidden[asked.RowFirsts[s]..asked.RowFirsts[s + 1]].SelectMany(row => row).ToArray() : null);
    }

    public IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false, CancellationToken cancellationToken = default) =>
        new Pass(this, batch, Score(batch, hiddenStates, cancellationToken));

    public double ApplyGradients(AdamWOptions options, double learningRate)
    {
        var norm = Math.Sqrt(_gradients.Sum(g => (double)g * g));
        if (double.IsFinite(norm))
        {
            var (clip, step) = (Math.Min(1, options.MaximumGradientNorm / (norm + 1e-6)), ++_steps);
            for (var i = 0; i < _values.Length; i++)
            {
                var g = clip * _gradients[i];
                _first[i] = (float)(options.Beta1 * _first[i] + (1 - options.Beta1) * g);
                _second[i] = (float)(options.Beta2 * _second[i] + (1 - options.Beta2) * g * g);
                double mean = _first[i] / (1 - Math.Pow(options.Beta1, step)), square = _second[i] / (1 - Math.Pow(options.Beta2, step));
                var direction = mean / (Math.Sqrt(square) + options.Epsilon);
                _values[i] -= (float)(learningRate * (options.WeightDecay * _values[i] + direction));
            }
        }
        ClearGradients();
        return norm;
    }

    public void ClearGradients() => Array.Clear(_gradients);

    public IReadOnlyList<NamedTensor> Export(ModelState state) => state == ModelState.Optimizer
        ? [.. Parts(_first, ".exp_avg"), .. Parts(_second, ".exp_avg_sq"), new NamedTensor("step", [], [_steps])]
        : [.. Parts(state == ModelState.Weights ? _values : _gradients)];

    public void Import(ModelState state, IReadOnlyList<NamedTensor> tensors)
    {
        NamedTensors.RequireExactly(tensors, Export(state).ToDictionary(tensor => tensor.Name, tensor => tensor.Shape));
        var values = tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Values);
        if (state == ModelState.Optimizer) _steps = (int)values["step"][0];
        foreach (var (target, suffix) in state switch
        {
            ModelState.Weights => [(_values, "")],
            ModelState.Gradients => [(_gradients, "")],
            _ => ((float[], string)[])[(_first, ".exp_avg"), (_second, ".exp_avg_sq")],
        })
        {
            _layout.SelectMany(factor => values[factor.Name + suffix]).ToArray().CopyTo(target, 0);
        }
    }

    public IDecodingSession StartDecoding(
        IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens, CancellationToken cancellationToken = default) =>
        new Session(this, PackedBatch.Create(prompts, Configuration));

    public void Dispose()
    {
    }

    private IEnumerable<NamedTensor> Parts(float[] values, string suffix = "")
    {
        var at = 0;
        foreach (var factor in _layout) yield return new(factor.Name + suffix, factor.Shape, values[at..(at += factor.Values.Length)]);
    }

    private ReadOnlySpan<float> Embedding(int token) => _embedding.AsSpan(token * Width, Width);

    private ReadOnlySpan<float> A(int r) => _values.AsSpan(r * Width, Width);

    private ReadOnlySpan<float> B(int i) => _values.AsSpan((Width + i) * Rank, Rank);

    private float[] Low(int token) => [.. Enumerable.Range(0, Rank).Select(r => Dot(A(r), Embedding(token)))];

    private float[] Hidden(int token)
    {
        var low = Low(token);
        return [.. Enumerable.Range(0, Width).Select(i => Embedding(token)[i] + (float)_scaling * Dot(B(i), low))];
    }

    private float[] Logits(float[] hidden) => [.. Enumerable.Range(0, Configuration.VocabularySize).Select(token => Dot(Embedding(token), hidden))];

    /// <summary>Adds the gradients of one row: with g = E^T c (softmax - onehot), dB = s g (A e)^T and dA = s B^T g e^T.</summary>
    private void AddGradient(int token, int target, float coefficient)
    {
        float[] low = Low(token), logits = Logits(Hidden(token)), g = new float[Width];
        var logSum = LogSum(logits);
        for (var other = 0; other < logits.Length; other++)
        {
            for (var i = 0; i < Width; i++)
                g[i] += (float)_scaling * coefficient * (MathF.Exp(logits[other] - logSum) - (other == target ? 1 : 0)) * Embedding(other)[i];
        }
        for (var i = 0; i < Width; i++)
        {
            for (var r = 0; r < Rank; r++)
            {
                _gradients[(Width + i) * Rank + r] += g[i] * low[r];
                for (var j = 0; j < Width; j++) _gradients[r * Width + j] += g[i] * B(i)[r] * Embedding(token)[j];
            }
        }
    }

    private static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        var sum = 0f;
        for (var i = 0; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }

    private static float LogSum(float[] logits) => logits.Max() + MathF.Log(logits.Sum(z => MathF.Exp(z - logits.Max())));

    private sealed class Pass(LinearModel model, IReadOnlyList<TokenSequence> batch, IReadOnlyList<TokenScores> scores) : IForwardPass
    {
        public IReadOnlyList<TokenScores> Scores => scores;

        public void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default)
        {
            foreach (var (sequence, row) in batch.Zip(coefficients))
            {
                var perToken = row.Length / sequence.ResponseLength;
                for (var i = 0; i < row.Length; i++)
                {
                    var (t, k) = (i / perToken, i % perToken);
                    var tokens = sequence.Tokens.Span[(sequence.PromptLength + t - 1)..];
                    model.AddGradient(tokens[0], k == 0 ? tokens[1] : sequence.Candidates.Span[t * (perToken - 1) + k - 1], row.Span[i]);
                }
            }
        }

        public void Dispose()
        {
        }
    }

    private sealed class Session(LinearModel model, PackedBatch prompts) : IDecodingSession
    {
        private readonly float[][] _logits =
            [.. Enumerable.Range(1, prompts.Count).Select(s => model.Logits(model.Hidden(prompts.Tokens[prompts.Starts[s] - 1])))];

        public int Count => _logits.Length;

        public ReadOnlySpan<float> Logits(int sequence) => _logits[sequence];

        public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default)
        {
            for (var s = 0; s < Count; s++)
                if (tokens[s] >= 0) _logits[s] = model.Logits(model.Hidden(tokens[s]));
        }

        public void Dispose()
        {
        }
    }
}
