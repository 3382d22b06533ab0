using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// The oracle of the conformance suites: a model of any architecture with a LoRA adapter in float64, written from the definition, one sequence at a
/// time, without dropout. With a <see cref="Rounding"/> it shows how far results move in an engine that stores that type between its operations.
/// </summary>
public sealed class ReferenceModel
{
    private readonly ModelConfiguration _model;
    private readonly LoraConfiguration? _lora;
    private readonly Rounding _rounding;
    private readonly Dictionary<string, Node> _weights, _factors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (double[] First, double[] Second)> _moments = new(StringComparer.Ordinal);
    private int _steps;

    /// <summary>Reads a model.</summary>
    /// <param name="folder">The base model.</param>
    /// <param name="adapter">The adapter, which is trained; null for none.</param>
    /// <param name="rounding">How stored arrays are rounded.</param>
    public ReferenceModel(ModelFolder folder, LoraAdapter? adapter, Rounding rounding)
    {
        (_model, _lora, _rounding) = (folder.Configuration, adapter?.Configuration, rounding);
        _weights = ModelLayout.Weights(_model).ToDictionary(weight => weight.Name, Frozen);
        foreach (var linear in ModelLayout.LinearModules(_model).Where(linear => linear.IsTransposed))
            _weights[$"{linear.Name}.weight"] = Transposed(_weights[$"{linear.Name}.weight"]);
        foreach (var factor in adapter?.Factors ?? [])
            _factors.Add(factor.Name, new Node(factor.Shape[0], factor.Shape[1]) { Values = [.. factor.Values.Select(value => (double)value)] });

        Node Frozen(WeightShape weight) => new((int)weight.Shape[0], weight.Shape.Length > 1 ? (int)weight.Shape[1] : 1, isFrozen: true)
        {
            Values = [.. folder.Tensor(weight.Name, weight.Shape).ToArray().Select(value => rounding.ToNearest(value) + (IsPlusOne(weight) ? 1 : 0))],
        };
    }

    private bool IsPlusOne(WeightShape weight) =>
        _model.NormKind == NormKind.RmsPlusOne && weight.Name.EndsWith("norm.weight", StringComparison.Ordinal);

    /// <summary>The accumulated gradients by name.</summary>
    public IReadOnlyDictionary<string, double[]> Gradients => _factors.ToDictionary(factor => factor.Key, factor => factor.Value.Gradient);

    /// <summary>The logits that follow every token.</summary>
    /// <returns>T x V values.</returns>
    public double[][] Logits(ReadOnlyMemory<int> tokens)
    {
        var (_, logits) = Run(new Tape(_rounding), tokens.Span);
        return [.. logits.Values.Chunk(logits.Columns)];
    }

    /// <summary>The log-probabilities of the response tokens, and the final-norm outputs that predict them.</summary>
    public (double[] LogProbabilities, double[] HiddenStates) Score(TokenSequence sequence)
    {
        var (hidden, logits) = Run(new Tape(_rounding), sequence.Tokens.Span);
        var (first, end) = (sequence.PromptLength - 1, sequence.Tokens.Length - 1);
        return (LogProbabilities(sequence, logits), hidden.Values[(first * hidden.Columns)..(end * hidden.Columns)]);
    }

    /// <summary>Adds the gradient of -sum c_tk log p(k | position t) to <see cref="Gradients"/>.</summary>
    /// <param name="sequence">Prompt and response, with candidates.</param>
    /// <param name="coefficients">For every response token its c, or its c and then those of its candidates.</param>
    /// <returns>The log-probabilities.</returns>
    public double[] Backward(TokenSequence sequence, ReadOnlySpan<float> coefficients)
    {
        var tape = new Tape(_rounding);
        var (_, logits) = Run(tape, sequence.Tokens.Span);
        for (var t = 0; t < sequence.ResponseLength; t++)
        {
            var row = sequence.PromptLength - 1 + t;
            var gradient = logits.GradientRow(row);
            Tape.Softmax(logits.Row(row)).CopyTo(gradient);
            var perToken = coefficients.Length / sequence.ResponseLength;
            var own = coefficients.Slice(t * perToken, perToken);
            var sum = 0.0;
            foreach (var c in own) sum += c;
            foreach (ref var value in gradient) value *= sum;
            gradient[sequence.Tokens.Span[row + 1]] -= own[0];
            for (var k = 1; k < perToken; k++) gradient[sequence.Candidates.Span[t * (perToken - 1) + k - 1]] -= own[k];
        }
        tape.Backward();
        return LogProbabilities(sequence, logits);
    }

    /// <summary>Clips the gradients to a global norm, takes a step of AdamW (arXiv 1711.05101, algorithm 2) and clears them.</summary>
    /// <returns>The norm before clipping.</returns>
    public double ApplyGradients(AdamWOptions options, double learningRate)
    {
        var norm = Math.Sqrt(_factors.Values.Sum(factor => factor.Gradient.Sum(g => g * g)));
        var clip = Math.Min(1, options.MaximumGradientNorm / (norm + 1e-6));
        double correction1 = 1 - Math.Pow(options.Beta1, ++_steps), correction2 = 1 - Math.Pow(options.Beta2, _steps);
        foreach (var (name, factor) in _factors)
        {
            if (!_moments.TryGetValue(name, out var moments))
                _moments.Add(name, moments = (new double[factor.Values.Length], new double[factor.Values.Length]));
            for (var i = 0; i < factor.Values.Length; i++)
            {
                var g = clip * factor.Gradient[i];
                moments.First[i] = options.Beta1 * moments.First[i] + (1 - options.Beta1) * g;
                moments.Second[i] = options.Beta2 * moments.Second[i] + (1 - options.Beta2) * g * g;
                factor.Values[i] -= learningRate * (options.WeightDecay * factor.Values[i]
                    + moments.First[i] / correction1 / (Math.Sqrt(moments.Second[i] / correction2) + options.Epsilon));
            }
            Array.Clear(factor.Gradient);
        }
        return norm;
    }

    private static double[] LogProbabilities(TokenSequence sequence, Node logits) =>
        [.. Enumerable.Range(sequence.PromptLength - 1, sequence.ResponseLength)
            .Select(row => logits.Row(row)[sequence.Tokens.Span[row + 1]] - Tape.LogSum(logits.Row(row)))];

    /// <summary>Final-norm outputs [T, H] and logits [T, V].</summary>
    private (Node Hidden, Node Logits) Run(Tape tape, ReadOnlySpan<int> tokens)
    {
        var x = new Node(tokens.Length, _model.HiddenSize);
        for (var row = 0; row < tokens.Length; row++) _weights[ModelLayout.Embedding(_model).Name].Row(tokens[row]).CopyTo(x.Row(row));
        if (_model.EmbeddingMultiplier != 1) x = Scaled(tape, x, _model.EmbeddingMultiplier);
        if (ModelLayout.Positions(_model) is { } positions)
            x = tape.Add(x, new Node(x.Rows, x.Columns, isFrozen: true) { Values = _weights[positions.Name].Values[..x.Values.Length] });
        var rotation = Rotation(_model.Rope, tokens.Length);
        var sliding = _model.SlidingRope is { } rope ? Rotation(rope, tokens.Length) : rotation;
        for (var layer = 0; layer < _model.LayerCount; layer++) x = Layer(tape, layer, x, _model.SlidingWindows[layer] > 0 ? sliding : rotation);
        var hidden = Norm(tape, x, ModelLayout.FinalNorm(_model));
        var logits = tape.Product(hidden, _weights[(_model.TieWordEmbeddings ? ModelLayout.Embedding(_model) : ModelLayout.Head(_model)).Name]);
        logits = Scaled(tape, logits, 1 / _model.LogitsDivisor);
        if (ModelLayout.HeadBias(_model) is { } bias) logits = tape.Add(logits, _weights[bias.Name]);
        return (hidden, _model.LogitsSoftCap is { } cap ? tape.SoftCap(logits, cap) : logits);
    }

    private Node Layer(Tape tape, int layer, Node x, (double[] Cosine, double[] Sine) rotation)
    {
        var modules = ModelLayout.Layer(_model, layer);
        var (query, key, v) = Project(tape, LayerNorm(x, modules.AttentionNorm), modules.Qkv);
        var (q, k) = (Rotated(query, modules.QueryNorm), Rotated(key, modules.KeyNorm));
        if (_model.AttentionMultiplier is { } multiplier) q = Scaled(tape, q, multiplier * Math.Sqrt(_model.HeadSize));
        var attended = tape.Attend(q, k, v, _model.HeadSize, _model.SlidingWindows[layer], _model.AttentionSoftCap);
        var middle = Sum(x, Linear(tape, attended, modules.Output), modules.AttentionOutputNorm);
        var read = LayerNorm(_model.ParallelResidual ? x : middle, modules.FeedForwardNorm);
        var output = modules.Router is null ? Linear(tape, FeedForward(tape, read, modules.GateUp), modules.Down) : Experts(tape, read, modules);
        return Sum(middle, output, modules.FeedForwardOutputNorm);

        Node LayerNorm(Node input, NormModule? norm) => norm is null ? input : Norm(tape, input, norm);

        Node Sum(Node residual, Node output, NormModule? norm) => tape.Add(residual, LayerNorm(output, norm), _model.ResidualMultiplier);

        Node Rotated(Node heads, NormModule? norm)
        {
            if (norm is not null) heads = Norm(tape, heads, norm);
            return !_model.IsRotated(layer) ? heads : tape.Rotate(heads, rotation.Cosine, rotation.Sine, _model.HeadSize);
        }
    }

    private (Node Query, Node Key, Node Value) Project(Tape tape, Node x, IReadOnlyList<LinearModule> linears)
    {
        Node[] outputs = [.. linears.Select(linear => Linear(tape, x, linear))];
        if (outputs is [var query, var key, var value]) return (query, key, value);
        var (d, keys) = (_model.HeadSize, _model.KeyValueHeadCount);
        return _model.QkvLayout == QkvLayout.ByHead
            ? (Heads(_model.HeadCount, 0, 3 * d), Heads(keys, d, 3 * d), Heads(keys, 2 * d, 3 * d))
            : (Heads(_model.HeadCount, 0, d), Heads(keys, _model.HeadCount * d, d), Heads(keys, (_model.HeadCount + keys) * d, d));

        Node Heads(int count, int first, int step) =>
            tape.Columns(outputs[0], [.. Enumerable.Range(0, count * d).Select(i => first + i / d * step + i % d)]);
    }

    private Node FeedForward(Tape tape, Node x, IReadOnlyList<LinearModule> linears)
    {
        Node[] outputs = [.. linears.Select(linear => Linear(tape, x, linear))];
        if (_model.FeedForwardLayout == FeedForwardLayout.Fused) outputs = [Half(outputs[0], 0), Half(outputs[0], _model.IntermediateSize)];
        var activated = tape.Activate(outputs[0], _model.Activation);
        return outputs is [_, var up] ? tape.Multiply(activated, up) : activated;

        Node Half(Node whole, int first) => tape.Columns(whole, [.. Enumerable.Range(first, _model.IntermediateSize)]);
    }

    /// <summary>Every expert computes every row, and the weights of those that are not chosen are 0.</summary>
    private Node Experts(Tape tape, Node x, LayerLayout modules)
    {
        var (experts, gateUp, down) = (_model.Experts!, modules.GateUp[0], modules.Down);
        var weights = tape.Choose(Linear(tape, x, modules.Router!), experts.PerToken, experts.NormalizeWeights);
        var sum = new Node(x.Rows, x.Columns);
        for (var expert = 0; expert < experts.Count; expert++)
        {
            var gate = tape.Activate(Part(tape, x, gateUp, gateUp.Parts[2 * expert]), _model.Activation);
            var output = Part(tape, tape.Multiply(gate, Part(tape, x, gateUp, gateUp.Parts[2 * expert + 1])), down, down.Parts[expert]);
            sum = tape.Add(sum, tape.Multiply(output, tape.Columns(weights, [.. Enumerable.Repeat(expert, x.Columns)])));
        }
        return sum;
    }

    /// <summary>One matrix of a stack, with its share of the factors A [E, r, in] and B [out, r, E].</summary>
    private Node Part(Tape tape, Node x, LinearModule stack, LinearPart part)
    {
        var y = tape.Product(x, _weights[part.Weight]);
        if (_lora?.Resolve(stack.Name) is not { } target) return y;
        var ranks = Enumerable.Range(0, target.Rank);
        var all = tape.Product(x, tape.Leaf(_factors[target.Factors + LoraLayout.A]));
        var low = tape.Columns(all, [.. ranks.Select(k => part.Expert * target.Rank + k)]);
        var b = tape.Columns(tape.Leaf(_factors[target.Factors + LoraLayout.B]), [.. ranks.Select(k => k * stack.Experts + part.Expert)]);
        return tape.Add(y, tape.Columns(tape.Product(low, b), [.. Enumerable.Range(part.FirstRow, part.Rows)]), target.Scaling);
    }

    private static Node Transposed(Node x)
    {
        var result = new Node(x.Columns, x.Rows, isFrozen: true);
        for (var i = 0; i < x.Values.Length; i++) result.Values[i % x.Columns * x.Rows + i / x.Columns] = x.Values[i];
        return result;
    }

    private static Node Scaled(Tape tape, Node x, double scale) => scale == 1 ? x : tape.Add(new Node(x.Rows, x.Columns), x, scale);

    private Node Norm(Tape tape, Node x, NormModule norm)
    {
        var scaled = tape.Multiply(tape.Normalize(norm.HasBias ? tape.Centre(x) : x, norm.Size, _model.NormEpsilon), _weights[$"{norm.Name}.weight"]);
        return norm.HasBias ? tape.Add(scaled, _weights[$"{norm.Name}.bias"]) : scaled;
    }

    private Node Linear(Tape tape, Node x, LinearModule linear)
    {
        var module = linear.Name;
        var y = tape.Product(x, _weights[linear.Parts[0].Weight]);
        if (_weights.TryGetValue($"{module}.bias", out var bias)) y = tape.Add(y, bias);
        if (_lora?.Resolve(module) is not { } target) return y;
        var low = tape.Product(x, tape.Leaf(_factors[$"{module}.lora_A"]));
        return tape.Add(y, tape.Product(low, tape.Leaf(_factors[$"{module}.lora_B"])), target.Scaling);
    }

    private (double[] Cosine, double[] Sine) Rotation(RopeConfiguration rope, int length)
    {
        var (frequencies, magnitude) = RopeFrequencies.Of(rope, _model.HeadSize, length);
        var angles = Enumerable.Range(0, length).SelectMany(position => frequencies.Select(f => position * f)).ToArray();
        return (Table(Math.Cos), Table(Math.Sin));

        double[] Table(Func<double, double> function) => [.. angles.Select(angle => _rounding.ToNearest(function(angle) * magnitude))];
    }
}
