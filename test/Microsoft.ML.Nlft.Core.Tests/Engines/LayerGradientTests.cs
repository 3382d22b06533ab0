using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Every backward pass, compared with finite differences of its forward pass. The loss is sum y * r for a fixed random r.</summary>
[TestClass]
public class LayerGradientTests
{
    private const int Hidden = 12;

    [TestMethod]
    [DataRow(Hidden, Hidden, false)]
    [DataRow(Hidden, 4, false)]
    [DataRow(Hidden, Hidden, true)]
    [DataRow(Hidden, 4, true)]
    public void RmsNormBackward_AnyGroupSizeAndKind_MatchesFiniteDifferences(int columns, int group, bool plusOne)
    {
        using var folder = TinyModels.Create();
        var name = group == Hidden ? "model.norm.weight" : "model.layers.0.self_attn.q_norm.weight";
        var weight = new Weight(folder, name, 1, group, vector: true, trainable: true);
        Numbers.Random(1, group, 9).Span.CopyTo(weight.Parameter!.Values);
        var norm = new RmsNorm(weight, 1e-5, plusOne);
        var context = Context(5);
        Matrix x = Numbers.Random(5, columns, 1), y = Matrix.Zeros(5, columns), r = Numbers.Random(5, columns, 2), dx = Matrix.Zeros(5, columns);
        double Loss()
        {
            norm.Forward(context, x, y);
            return Numbers.Dot(y, r);
        }
        norm.Backward(context, x, r, dx, accumulate: false);
        Numbers.CheckGradient("x", x.Span, dx.Span, Loss);
        Numbers.CheckGradient("w", weight.Parameter.Values, weight.Parameter.Gradient, Loss);

        var accumulated = Numbers.Random(5, columns, 3);
        var start = accumulated.Span.ToArray();
        norm.Backward(context, x, r, accumulated, accumulate: true);
        for (var i = 0; i < start.Length; i++) Assert.AreEqual(start[i] + dx.Span[i], accumulated.Span[i], 1e-6);
    }

    [TestMethod]
    [DataRow(3, 0, null)]
    [DataRow(3, 2, null)]
    [DataRow(1, 0, null)]
    [DataRow(3, 0, 0.5)]
    [DataRow(1, 2, 0.2)]
    public void AttentionBackward_AnyGroupsWindowAndCap_MatchesFiniteDifferences(int keyValueHeads, int window, double? cap)
    {
        var c = TinyModels.Configuration with { HeadCount = 3, KeyValueHeadCount = keyValueHeads, HeadSize = 4, AttentionSoftCap = cap };
        var attention = new Attention(c, window);
        var context = Context(5, 1, 3);
        Matrix q = Numbers.Random(9, 12, 1), k = Numbers.Random(9, keyValueHeads * 4, 2), v = Numbers.Random(9, keyValueHeads * 4, 3);
        Matrix o = Matrix.Zeros(9, 12), logSums = Matrix.Zeros(9, 3), r = Numbers.Random(9, 12, 4);
        Matrix dq = Matrix.Zeros(9, 12), dk = Matrix.Zeros(9, k.Columns), dv = Matrix.Zeros(9, k.Columns);
        double Loss()
        {
            attention.Forward(context, q, k, v, o, logSums);
            return Numbers.Dot(o, r);
        }
        Loss();
        attention.Backward(context, q, k, v, o, logSums, r, dq, dk, dv);
        Numbers.CheckGradient("q", q.Span, dq.Span, Loss);
        Numbers.CheckGradient("k", k.Span, dk.Span, Loss);
        Numbers.CheckGradient("v", v.Span, dv.Span, Loss);
    }

    [TestMethod]
    [DataRow(0, null)]
    [DataRow(20, null)]
    [DataRow(0, 0.5)]
    [DataRow(20, 0.1)]
    public void AttentionForward_SeveralTiles_EqualsTheNaiveSum(int window, double? cap)
    {
        const int Length = 150;
        var c = TinyModels.Configuration with { HeadCount = 2, KeyValueHeadCount = 1, HeadSize = 8, AttentionSoftCap = cap };
        var context = Context(Length);
        Matrix q = Numbers.Random(Length, 16, 1), k = Numbers.Random(Length, 8, 2), v = Numbers.Random(Length, 8, 3), o = Matrix.Zeros(Length, 16);
        new Attention(c, window).Forward(context, q, k, v, o, Matrix.Zeros(Length, 2));
        for (var t = 0; t < Length; t++)
        {
            for (var head = 0; head < 2; head++)
            {
                var first = window == 0 ? 0 : Math.Max(0, t - window + 1);
                var scores = Enumerable.Range(first, t + 1 - first)
                    .Select(s => Enumerable.Range(0, 8).Sum(i => (double)q[t][head * 8 + i] * k[s][i]) / Math.Sqrt(8))
                    .Select(score => Math.Exp(cap is { } c ? c * Math.Tanh(score / c) : score)).ToArray();
                for (var i = 0; i < 8; i++)
                {
                    var expected = scores.Select((p, s) => p * v[first + s][i]).Sum() / scores.Sum();
                    Assert.AreEqual(expected, o[t][head * 8 + i], 1e-5, $"query {t}, head {head}");
                }
            }
        }
    }

    [TestMethod]
    public void Rotate_Backward_InvertsTheRotation()
    {
        var context = Context(7);
        var rope = new RotaryTable(TinyModels.Configuration, TinyModels.Configuration.Rope).Of(context.Batch);
        Matrix x = Numbers.Random(7, Hidden, 1), y = Matrix.Zeros(7, Hidden);
        x.CopyTo(y);
        RotaryEmbedding.Rotate(context, rope, TinyModels.HeadSize, y, 1);
        Assert.AreNotEqual(x[3][0], y[3][0]);
        Assert.AreEqual(Numbers.Dot(x, x), Numbers.Dot(y, y), 1e-4, "A rotation preserves norms.");
        RotaryEmbedding.Rotate(context, rope, TinyModels.HeadSize, y, -1);
        Numbers.AreClose(x, y, 1e-6);
    }

    [TestMethod]
    [DataRow(Activation.Silu)]
    [DataRow(Activation.Gelu)]
    [DataRow(Activation.GeluTanh)]
    public void ActivationBackward_RandomInputs_MatchesFiniteDifferences(Activation activation)
    {
        var context = Context(3);
        Matrix g = Numbers.Random(3, 10, 1), u = Numbers.Random(3, 10, 2), a = Matrix.Zeros(3, 10), r = Numbers.Random(3, 10, 3);
        Matrix dg = Matrix.Zeros(3, 10), du = Matrix.Zeros(3, 10);
        double Loss()
        {
            Activations.Forward(activation, context, g, u, a);
            return Numbers.Dot(a, r);
        }
        Activations.Backward(activation, context, g, u, r, dg, du);
        Numbers.CheckGradient("gate", g.Span, dg.Span, Loss);
        Numbers.CheckGradient("up", u.Span, du.Span, Loss);
    }

    /// <summary>From -12 to 12, in vectors and in the remainder behind them, against the definitions in float64.</summary>
    [TestMethod]
    public void ActivationForward_WideRange_EqualsItsDefinition()
    {
        const int Count = 2403;
        Matrix g = Matrix.Zeros(1, Count), u = Matrix.Zeros(1, Count), a = Matrix.Zeros(1, Count);
        u.Span.Fill(1);
        for (var i = 0; i < Count; i++) g[0][i] = (i - Count / 2) * 0.01f;
        foreach (var activation in Enum.GetValues<Activation>())
        {
            Activations.Forward(activation, Context(1), g, u, a);
            for (var i = 0; i < Count; i++)
            {
                double x = g[0][i], expected = activation switch
                {
                    Activation.Silu => x / (1 + Math.Exp(-x)),
                    Activation.Gelu => x * NormalDistribution(x),
                    _ => x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))) / 2,
                };
                Assert.AreEqual(expected, a[0][i], 1e-6 * Math.Max(1, Math.Abs(x)), $"{activation} of {x}");
            }
        }

        // The series of Phi(x) - 1/2 (Marsaglia 2004); beyond 8 it is 0 or 1 to all digits that count here.
        static double NormalDistribution(double x)
        {
            if (Math.Abs(x) > 8) return x > 0 ? 1 : 0;
            double sum = x, term = x;
            for (var i = 3; i < 300; i += 2) sum += term *= x * x / i;
            return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
        }
    }

    [TestMethod]
    [DataRow(50f)]
    [DataRow(0.25f)]
    public void SoftCap_WideRange_EqualsItsDefinition(float cap)
    {
        var x = Enumerable.Range(0, 1003).Select(i => (i - 500) * 0.01f * cap).ToArray();
        var (capped, gradient) = (x.ToArray(), Enumerable.Repeat(3f, x.Length).ToArray());
        VectorMath.SoftCap(capped, cap);
        var again = x.ToArray();
        VectorMath.SoftCap(again, cap, gradient, shift: 1);
        CollectionAssert.AreEqual(capped, again);
        var weighted = capped.ToArray();
        var sum = VectorMath.ExpShiftedTimesSlope(weighted, cap, cap);
        for (var i = 0; i < x.Length; i++)
        {
            var tanh = Math.Tanh((double)x[i] / cap);
            Assert.AreEqual(cap * tanh, capped[i], 5e-7 * cap * Math.Abs(tanh), $"{x[i]}");
            Assert.AreEqual(2 * (1 - tanh * tanh), gradient[i], 3e-6, $"slope at {x[i]}");
            Assert.AreEqual(Math.Exp(capped[i] - cap) * (1 - tanh * tanh), weighted[i], 3e-6, $"exp at {x[i]}");
        }
        Assert.AreEqual(capped.Sum(value => Math.Exp(value - cap)), sum, 1e-5 * sum);
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.3)]
    public void LinearBackward_WithOrWithoutDropout_MatchesFiniteDifferences(double dropout)
    {
        using var folder = TinyModels.Create(1, TinyModels.Configuration with { ModelType = "llama", QueryKeyNorm = false, MlpBias = true });
        var weight = new Weight(folder, "model.layers.0.mlp.up_proj.weight", TinyModels.Intermediate, Hidden, vector: false, trainable: true);
        var bias = new Weight(folder, "model.layers.0.mlp.up_proj.bias", 1, TinyModels.Intermediate, vector: true, trainable: true);
        var linear = new Linear("m", weight, bias);
        var a = new Parameter("a", [3, Hidden], Numbers.Random(3, Hidden, 1).Data);
        var b = new Parameter("b", [TinyModels.Intermediate, 3], Numbers.Random(TinyModels.Intermediate, 3, 2).Data);
        linear.Lora = new LoraFactors("m", a, b, 0.7, dropout);
        var context = Context(4, 3) with { Training = true };
        Matrix x = Numbers.Random(7, Hidden, 3), y = Matrix.Zeros(7, TinyModels.Intermediate);
        Matrix r = Numbers.Random(7, TinyModels.Intermediate, 4), dx = Matrix.Zeros(7, Hidden);
        double Loss()
        {
            linear.Forward(context, x, y);
            return Numbers.Dot(y, r);
        }
        linear.Backward(context, x, r, dx, accumulate: false);
        Numbers.CheckGradient("x", x.Span, dx.Span, Loss);
        Numbers.CheckGradient("W", weight.Parameter!.Values, weight.Parameter.Gradient, Loss);
        Numbers.CheckGradient("bias", bias.Parameter!.Values, bias.Parameter.Gradient, Loss);
        Numbers.CheckGradient("A", a.Values, a.Gradient, Loss);
        Numbers.CheckGradient("B", b.Values, b.Gradient, Loss);
    }

    /// <summary>No gradient flows through the norm of DoRA: it stays while A and B move, and is computed anew only when they were trained.</summary>
    [TestMethod]
    [DataRow(0.0, true, false, false)]
    [DataRow(0.3, true, false, false)]
    [DataRow(0.0, true, true, false)]
    [DataRow(0.0, false, true, true)]
    [DataRow(0.3, false, true, true)]
    [DataRow(0.0, false, false, true)]
    public void LinearBackward_MagnitudesAndBiases_MatchesFiniteDifferences(double dropout, bool magnitudes, bool layerBias, bool factorBias)
    {
        using var folder = TinyModels.Create(1, TinyModels.Configuration with { ModelType = "llama", QueryKeyNorm = false, MlpBias = true });
        const int Outputs = TinyModels.Intermediate;
        var weight = new Weight(folder, "model.layers.0.mlp.up_proj.weight", Outputs, Hidden, vector: false, trainable: false);
        Parameter Vector(string name, int seed) => new(name, [Outputs], Numbers.Random(1, Outputs, seed).Data);
        var bias = layerBias ? Vector("bias", 6) : null;
        var a = new Parameter("a", [3, Hidden], Numbers.Random(3, Hidden, 1).Data);
        var b = new Parameter("b", [Outputs, 3], Numbers.Random(Outputs, 3, 2).Data);
        var lora = new LoraFactors("m", a, b, 0.7, dropout)
        {
            Magnitude = magnitudes ? Vector("m", 7) : null,
            Bias = factorBias ? Vector("b", 8) : null,
        };
        var linear = new Linear("m", weight, bias is null ? null : new Weight(bias)) { Lora = lora };
        var context = Context(4, 3) with { Training = true };
        Matrix x = Numbers.Random(7, Hidden, 3), y = Matrix.Zeros(7, Outputs), residual = Numbers.Random(7, Outputs, 9);
        Matrix r = Numbers.Random(7, Outputs, 4), dx = Matrix.Zeros(7, Hidden);
        double Loss()
        {
            linear.Forward(context, x, y, residual);
            return Numbers.Dot(y, r);
        }
        linear.Backward(context, x, r, dx, accumulate: false);
        Numbers.CheckGradient("x", x.Span, dx.Span, Loss);
        foreach (var parameter in new[] { a, b, lora.Magnitude, lora.Bias, bias }.OfType<Parameter>())
            Numbers.CheckGradient(parameter.Name, parameter.Values, parameter.Gradient, Loss);

        var accumulated = Numbers.Random(7, Hidden, 5);
        var start = accumulated.Span.ToArray();
        linear.Backward(context, x, r, accumulated, accumulate: true);
        for (var i = 0; i < start.Length; i++) Assert.AreEqual(start[i] + dx.Span[i], accumulated.Span[i], 1e-4);
    }

    /// <summary>m / n (W + scaling B A) x + bias, from the definition, before and after a change of A and B.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void LinearForward_Magnitudes_IsTheDefinition(int rank)
    {
        using var folder = TinyModels.Create(1, TinyModels.Configuration with { ModelType = "llama", QueryKeyNorm = false, MlpBias = true });
        const int Outputs = TinyModels.Intermediate;
        var weight = new Weight(folder, "model.layers.0.mlp.up_proj.weight", Outputs, Hidden, vector: false, trainable: false);
        var bias = new Parameter("bias", [Outputs], Numbers.Random(1, Outputs, 6).Data);
        var a = new Parameter("a", [rank, Hidden], Numbers.Random(rank, Hidden, 1).Data);
        var b = new Parameter("b", [Outputs, rank], Numbers.Random(Outputs, rank, 2).Data);
        var m = new Parameter("m", [Outputs], Numbers.Random(1, Outputs, 7).Data);
        var linear = new Linear("m", weight, new Weight(bias)) { Lora = new LoraFactors("m", a, b, 0.7, 0) { Magnitude = m } };
        Matrix x = Numbers.Random(5, Hidden, 3), y = Matrix.Zeros(5, Outputs);
        for (var version = 0; version < 2; version++)
        {
            linear.Forward(Context(5), x, y);
            var w = new float[Hidden];
            for (var output = 0; output < Outputs; output++)
            {
                weight.ReadRow(output, w);
                var change = (int i) => Enumerable.Range(0, rank).Sum(k => (double)b.Values[output * rank + k] * a.Values[k * Hidden + i]);
                var row = w.Select((value, i) => value + 0.7 * change(i)).ToArray();
                var scale = m.Values[output] / Math.Sqrt(row.Sum(value => value * value));
                for (var t = 0; t < 5; t++)
                    Assert.AreEqual(scale * row.Select((value, i) => value * x[t][i]).Sum() + bias.Values[output], y[t][output], 1e-5);
            }
            foreach (ref var value in a.Values.AsSpan()) value *= -1.5f;
            a.Version++;
        }
    }

    [TestMethod]
    [DataRow(0f, 0)]
    [DataRow(3f, 0)]
    [DataRow(0f, 3)]
    [DataRow(3f, 3)]
    public void TokenHeadBackward_AnyCoefficientsCapAndCandidates_MatchesFiniteDifferences(float cap, int candidates)
    {
        using var folder = TinyModels.Create();
        var weight = new Weight(folder, "model.embed_tokens.weight", TinyModels.Vocabulary, Hidden, vector: false, trainable: true);
        var head = new TokenHead(weight, scale: 0.5f, cap);
        var context = Context(4);
        var h = Numbers.Random(4, Hidden, 1);
        var (asked, c) = Asked(folder, candidates);
        float[] logP = new float[c.Length], logSums = new float[4];
        var mostLikely = new bool[4];
        var dh = Matrix.Zeros(4, Hidden);
        foreach (ref var value in weight.Parameter!.Values.AsSpan()) value *= 20; // far from uniform
        double Loss()
        {
            head.Forward(context, h, asked, logP, logSums, mostLikely, dh);
            return -logP.Zip(c, (p, w) => (double)p * w).Sum();
        }
        Loss();
        head.Backward(context, h, asked, logP, logSums, c, dh);
        (var gradient, dh) = (dh, Matrix.Zeros(4, Hidden));
        Numbers.CheckGradient("h", h.Span, gradient.Span, Loss);
        Numbers.CheckGradient("W", weight.Parameter.Values, weight.Parameter.Gradient, Loss);
    }

    [TestMethod]
    [DataRow(0.0, 1, 0f, 0)]
    [DataRow(0.0, 3, 0f, 2)]
    [DataRow(0.4, 3, 0f, 0)]
    [DataRow(0.0, 2, 3f, 0)]
    [DataRow(0.3, 3, 2f, 4)]
    public void TokenHeadBackward_FactorsOfAnAdapter_MatchesFiniteDifferences(double dropout, int rank, float cap, int candidates)
    {
        using var folder = TinyModels.Create();
        var weight = new Weight(folder, "model.embed_tokens.weight", TinyModels.Vocabulary, Hidden, vector: false, trainable: false);
        var a = new Parameter("a", [rank, Hidden], Numbers.Random(rank, Hidden, 2).Data);
        var b = new Parameter("b", [TinyModels.Vocabulary, rank], Numbers.Random(TinyModels.Vocabulary, rank, 3).Data);
        var head = new TokenHead(weight, scale: 0.5f, cap) { Lora = new LoraFactors("lm_head", a, b, 1.5, dropout) };
        var context = Context(4) with { Training = true };
        var h = Numbers.Random(4, Hidden, 1);
        var (asked, c) = Asked(folder, candidates);
        float[] logP = new float[c.Length], logSums = new float[4];
        var (mostLikely, dh) = (new bool[4], Matrix.Zeros(4, Hidden));
        double Loss()
        {
            head.Forward(context, h, asked, logP, logSums, mostLikely, dh);
            return -logP.Zip(c, (p, w) => (double)p * w).Sum();
        }
        Loss();
        head.Backward(context, h, asked, logP, logSums, c, dh);
        (var gradient, dh) = (dh, Matrix.Zeros(4, Hidden));
        Numbers.CheckGradient("h", h.Span, gradient.Span, Loss);
        Numbers.CheckGradient("A", a.Values, a.Gradient, Loss);
        Numbers.CheckGradient("B", b.Values, b.Gradient, Loss);

        var logits = Matrix.Zeros(4, TinyModels.Vocabulary);
        head.Logits(context, h, logits);
        Loss();
        for (var t = 0; t < c.Length; t++)
        {
            var row = t / (1 + candidates);
            Assert.AreEqual(logits[row][asked.Tokens[t]] - logSums[row], logP[t], 1e-5);
        }
    }

    /// <summary>Four rows that ask for a token and its candidates, and a coefficient for each.</summary>
    private static (AskedTokens Asked, float[] Coefficients) Asked(ModelFolder folder, int candidates)
    {
        int[] tokens = [1, 0, 5, TinyModels.Vocabulary - 1, 5];
        var sequence = new TokenSequence(tokens, 1)
        {
            Candidates = Enumerable.Range(0, 4 * candidates).Select(i => 11 * i % TinyModels.Vocabulary).ToArray(),
        };
        float[] c = [0.5f, -1.25f, 2, 0];
        return (AskedTokens.Of([sequence], folder.Configuration),
            [.. c.SelectMany(own => (float[])[own, .. Enumerable.Range(0, candidates).Select(k => 0.4f - 0.3f * k)])]);
    }

    [TestMethod]
    [DataRow(1, 1f, false)]
    [DataRow(3, 1f, false)]
    [DataRow(3, 2.5f, false)]
    [DataRow(2, 0.5f, true)]
    [DataRow(0, 3f, true)]
    public void TokenEmbeddingBackward_RepeatedTokens_MatchesFiniteDifferences(int rank, float multiplier, bool trainable)
    {
        using var folder = TinyModels.Create();
        var weight = new Weight(folder, "model.embed_tokens.weight", TinyModels.Vocabulary, Hidden, vector: false, trainable);
        var a = new Parameter("a", [rank, TinyModels.Vocabulary], Numbers.Random(rank, TinyModels.Vocabulary, 2).Data);
        var b = new Parameter("b", [Hidden, rank], Numbers.Random(Hidden, rank, 3).Data);
        var embedding = new TokenEmbedding(weight, multiplier, positions: null) { Lora = rank == 0 ? null : new EmbeddingFactors(a, b, 0.7) };
        var batch = PackedBatch.Create([(int[])[3, 1, 3, 0], (int[])[3, 7]], TinyModels.Configuration, [7, 8]);
        var context = new EngineContext(new Workers(2), new Workspace(), batch, Training: true);
        var r = Numbers.Random(6, Hidden, 4);
        double Loss()
        {
            var x = embedding.Forward(context);
            var loss = Numbers.Dot(x, r);
            context.Return(x);
            return loss;
        }
        embedding.Backward(context, r);
        if (trainable) Numbers.CheckGradient("W", weight.Parameter!.Values, weight.Parameter.Gradient, Loss);
        if (rank == 0) return;
        Numbers.CheckGradient("A", a.Values, a.Gradient, Loss);
        Numbers.CheckGradient("B", b.Values, b.Gradient, Loss);
    }

    /// <summary>A batch of sequences of the given lengths, with the dropout seeds 7, 8, ...</summary>
    internal static EngineContext Context(params int[] lengths)
    {
        ReadOnlyMemory<int>[] tokens = [.. lengths.Select(n => (ReadOnlyMemory<int>)new int[n])];
        var batch = PackedBatch.Create(tokens, TinyModels.Configuration, [.. lengths.Select((_, i) => (ulong)i + 7)]);
        return new(new Workers(2), new Workspace(), batch, Training: false);
    }
}
