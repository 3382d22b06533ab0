using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Backward passes of what only some architectures have, compared with finite differences of their forward passes.</summary>
[TestClass]
public class ArchitectureGradientTests
{
    private const int Hidden = 12, Inner = 10;

    [TestMethod]
    public void LayerNormBackward_AnyRows_MatchesFiniteDifferences()
    {
        Weight w = Vector(Hidden, 1), b = Vector(Hidden, 2);
        var norm = new LayerNorm(w, b, 1e-3);
        var context = Context(5);
        Matrix x = Numbers.Random(5, Hidden, 3), y = Matrix.Zeros(5, Hidden), r = Numbers.Random(5, Hidden, 4), dx = Matrix.Zeros(5, Hidden);
        double Loss()
        {
            norm.Forward(context, x, y);
            return Numbers.Dot(y, r);
        }
        norm.Backward(context, x, r, dx, accumulate: false);
        Numbers.CheckGradient("x", x.Span, dx.Span, Loss);
        Numbers.CheckGradient("w", w.Parameter!.Values, w.Parameter.Gradient, Loss);
        Numbers.CheckGradient("b", b.Parameter!.Values, b.Parameter.Gradient, Loss);

        var accumulated = Numbers.Random(5, Hidden, 5);
        var start = accumulated.Span.ToArray();
        norm.Backward(context, x, r, accumulated, accumulate: true);
        for (var i = 0; i < start.Length; i++) Assert.AreEqual(start[i] + dx.Span[i], accumulated.Span[i], 1e-6);
    }

    /// <summary>The mean is large beside the deviation, as in the residual stream of gpt2.</summary>
    [TestMethod]
    public void LayerNormForward_LargeMean_EqualsItsDefinition()
    {
        const int Width = 100;
        var norm = new LayerNorm(Vector(Width, 1), Vector(Width, 2), 1e-5);
        Matrix x = Numbers.Random(1, Width, 3), y = Matrix.Zeros(1, Width);
        foreach (ref var value in x.Span) value += 300;
        norm.Forward(Context(1), x, y);
        var mean = x.Span.ToArray().Average(value => (double)value);
        var deviation = Math.Sqrt(x.Span.ToArray().Average(value => (value - mean) * (value - mean)) + 1e-5);
        for (var i = 0; i < Width; i++)
            Assert.AreEqual((x[0][i] - mean) / deviation * Vector(Width, 1).Vector[i] + Vector(Width, 2).Vector[i], y[0][i], 1e-4);
    }

    [TestMethod]
    [DataRow(FeedForwardLayout.Separate, Activation.Silu)]
    [DataRow(FeedForwardLayout.Fused, Activation.Silu)]
    [DataRow(FeedForwardLayout.Fused, Activation.Gelu)]
    [DataRow(FeedForwardLayout.UpOnly, Activation.Gelu)]
    [DataRow(FeedForwardLayout.UpOnly, Activation.GeluTanh)]
    public void FeedForwardBackward_AnyLayout_MatchesFiniteDifferences(FeedForwardLayout layout, Activation activation)
    {
        Linear[] projections = layout switch
        {
            FeedForwardLayout.Separate => [Layer(Inner, Hidden, 1), Layer(Inner, Hidden, 2)],
            FeedForwardLayout.Fused => [Layer(2 * Inner, Hidden, 1)],
            _ => [Layer(Inner, Hidden, 1)],
        };
        var feedForward = new FeedForward(projections, Layer(Hidden, Inner, 3), layout, activation);
        var context = Context(4);
        var (g, u) = FeedForward.RentOutputs(context, 4, Inner, layout);
        Matrix x = Numbers.Random(4, Hidden, 4), y = Matrix.Zeros(4, Hidden), r = Numbers.Random(4, Hidden, 5), dx = Matrix.Zeros(4, Hidden);
        double Loss()
        {
            feedForward.Forward(context, x, g, u, null, y);
            return Numbers.Dot(y, r);
        }
        Loss();
        feedForward.Backward(context, x, g, u, r, dx);
        Numbers.CheckGradient("x", x.Span, dx.Span, Loss);
        foreach (var linear in feedForward.Linears)
        {
            Numbers.CheckGradient("W", linear.Weight.Parameter!.Values, linear.Weight.Parameter.Gradient, Loss);
            Numbers.CheckGradient("b", linear.Bias!.Parameter!.Values, linear.Bias.Parameter.Gradient, Loss);
        }
    }

    [TestMethod]
    [DataRow(false, false, 1)]
    [DataRow(false, true, 1)]
    [DataRow(true, false, 3)]
    [DataRow(true, true, 3)]
    [DataRow(false, true, 3)]
    public void FusedQkvBackward_EitherOrderAllOrLastRows_MatchesFiniteDifferences(bool byHead, bool lastRows, int keyHeads)
    {
        const int HeadSize = 4, Heads = 3;
        var linear = Layer((Heads + 2 * keyHeads) * HeadSize, Hidden, 1);
        var qkv = new FusedQkv(linear, byHead, HeadSize);
        var context = Context(3, 4);
        var rows = lastRows ? QueryRows.Ends(context.Batch, [2, 1], before: 0) : context.Rows;
        var queryContext = context with { Rows = rows };
        int queries = Heads * HeadSize, keys = keyHeads * HeadSize;
        Matrix x = Numbers.Random(7, Hidden, 2), q = Matrix.Zeros(rows.Rows, queries), k = Matrix.Zeros(7, keys), v = Matrix.Zeros(7, keys);
        Matrix rq = Numbers.Random(rows.Rows, queries, 3), rk = Numbers.Random(7, keys, 4), rv = Numbers.Random(7, keys, 5);
        var dx = Matrix.Zeros(7, Hidden);
        double Loss()
        {
            qkv.Forward(context, queryContext, x, x, q, k, v);
            return Numbers.Dot(q, rq) + Numbers.Dot(k, rk) + Numbers.Dot(v, rv);
        }
        qkv.Backward(context, queryContext, x, rq, rk, rv, dx);
        Numbers.CheckGradient("x", x.Span, dx.Span, Loss);
        Numbers.CheckGradient("W", linear.Weight.Parameter!.Values, linear.Weight.Parameter.Gradient, Loss);
        Numbers.CheckGradient("b", linear.Bias!.Parameter!.Values, linear.Bias.Parameter.Gradient, Loss);
    }

    [TestMethod]
    [DynamicData(nameof(Architectures.Names), typeof(Architectures))]
    public void Backward_AllWeightsOfAnArchitecture_MatchesFiniteDifferences(string name)
    {
        using var folder = Architectures.Create(name);
        using var model = new ManagedEngine(1).Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.All });
        TokenSequence[] batch = [new(new[] { 3, 1, 4, 1, 5, 9, 2, 6 }, 3), new(new[] { 2, 7, 1, 8 }, 1)];
        using (var pass = model.Forward(batch)) pass.Backward([.. batch.Select(row => Enumerable.Repeat(1f, row.ResponseLength).ToArray())]);
        var gradients = model.Export(ModelState.Gradients);
        var weights = model.Export(ModelState.Weights).ToDictionary(weight => weight.Name);
        CollectionAssert.AreEquivalent(ModelLayout.Weights(folder.Configuration).Select(weight => weight.Name).ToArray(), weights.Keys.ToArray());
        foreach (var gradient in gradients)
        {
            var (values, largest) = (weights[gradient.Name].Values, gradient.Values.Max(Math.Abs));
            var entry = Array.FindIndex(gradient.Values, value => Math.Abs(value) == largest);
            foreach (var i in (int[])[entry, values.Length / 2, values.Length - 1])
            {
                var difference = (Loss(values, i, 2e-3f) - Loss(values, i, -2e-3f)) / 4e-3;
                Assert.AreEqual(difference, gradient.Values[i], 2e-2 * largest + 2e-3, $"{name}, {gradient.Name}[{i}]");
            }
            Assert.IsGreaterThan(1e-4f, largest, gradient.Name);
        }

        double Loss(float[] values, int index, float step)
        {
            var value = values[index];
            values[index] = value + step;
            model.Import(ModelState.Weights, [.. weights.Values]);
            var loss = -model.Score(batch).Sum(scores => scores.LogProbabilities.Sum(p => (double)p));
            values[index] = value;
            return loss;
        }
    }

    private static Weight Vector(int size, int seed) => new(new Parameter("v", [size], Numbers.Random(1, size, seed).Data));

    private static Linear Layer(int outputs, int inputs, int seed) => new("m",
        new Weight(new Parameter("w", [outputs, inputs], Numbers.Random(outputs, inputs, seed).Data)), Vector(outputs, seed + 100));

    private static EngineContext Context(params int[] lengths) => new(new Workers(2), new Workspace(), PackedBatch.Create(
        [.. lengths.Select(length => (ReadOnlyMemory<int>)new int[length])], TinyModels.Configuration), Training: false);
}
