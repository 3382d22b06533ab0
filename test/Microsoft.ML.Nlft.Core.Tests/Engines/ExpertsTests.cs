using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>A mixture of experts, compared with the definition in double precision and with finite differences.</summary>
[TestClass]
public sealed class ExpertsTests
{
    private const int Hidden = 12, Width = 10;

    [TestMethod]
    [DataRow(5, 2, true, 7)]
    [DataRow(5, 2, false, 7)]
    [DataRow(4, 4, true, 9)]
    [DataRow(4, 1, false, 1)]
    [DataRow(1, 1, true, 3)]
    [DataRow(16, 5, false, 70)]
    public void Forward_AnyExperts_EqualsTheDefinition(int experts, int perToken, bool normalize, int tokens)
    {
        using var mixture = new Mixture(experts, perToken, normalize, TrainableWeights.None, tokens);
        var (y, residual) = (Matrix.Zeros(tokens, Hidden), Numbers.Random(tokens, Hidden, 9));
        mixture.Layer.Forward(mixture.Context, mixture.X, mixture.Activations, residual, y);
        for (var t = 0; t < tokens; t++)
        {
            var expected = mixture.Definition(mixture.X[t].ToArray());
            for (var i = 0; i < Hidden; i++) Assert.AreEqual(residual[t][i] + expected[i], y[t][i], 1e-5 * (1 + expected.Max(Math.Abs)), $"{t}, {i}");
        }
    }

    [TestMethod]
    [DataRow(5, 2, true)]
    [DataRow(5, 2, false)]
    [DataRow(3, 3, true)]
    [DataRow(4, 1, false)]
    [DataRow(4, 1, true)]
    public void Backward_AllWeights_MatchesFiniteDifferences(int experts, int perToken, bool normalize)
    {
        using var mixture = new Mixture(experts, perToken, normalize, TrainableWeights.All, tokens: 5);
        mixture.CheckGradients();
    }

    [TestMethod]
    [DataRow(5, 2, true)]
    [DataRow(3, 2, false)]
    [DataRow(1, 1, false)]
    public void Backward_AdapterOfExpertsAndRouter_MatchesFiniteDifferences(int experts, int perToken, bool normalize)
    {
        using var mixture = new Mixture(experts, perToken, normalize, TrainableWeights.Lora, tokens: 5);
        mixture.CheckGradients();
    }

    [TestMethod]
    [DataRow(TrainableWeights.Lora)]
    [DataRow(TrainableWeights.All)]
    public void Train_AnyThreadsAndActivationMemory_GivesTheSameBits(TrainableWeights trainable)
    {
        using var folder = TinyModels.Create(3, TinyModels.Mixture);
        IReadOnlyList<NamedTensor>? first = null;
        foreach (var engine in (ManagedEngine[])[new(1), new(2), new(5), new(new ManagedEngineOptions { Threads = 2, ActivationMemory = 0 })])
        {
            using var model = engine.Load(new() { Folder = folder, Trainable = trainable, Lora = Mixture.Lora });
            var losses = Enumerable.Range(0, 3).Select(_ => EngineSteps.Step(model, EngineSteps.Batch(40, 3, 17))).ToArray();
            Assert.IsLessThan(losses[0], losses[2], "The loss falls.");
            var weights = model.Export(ModelState.Weights);
            first ??= weights;
            foreach (var (expected, actual) in first.Zip(weights))
                CollectionAssert.AreEqual(expected.Values, actual.Values, $"{engine.Options}, {expected.Name}");
        }
    }

    [TestMethod]
    public void Import_AdapterOfExpertsAndItsOptimizer_ContinuesToTheBit()
    {
        using var folder = TinyModels.Create(3, TinyModels.Mixture);
        ICausalLanguageModel Load(int seed) =>
            new ManagedEngine(2).Load(new() { Folder = folder, Trainable = TrainableWeights.Lora, Lora = Mixture.Lora, Seed = seed });
        using var model = Load(1);
        using var resumed = Load(2);
        for (var step = 0; step < 2; step++) EngineSteps.Step(model, EngineSteps.Batch(40, 3, 17));
        foreach (var state in (ModelState[])[ModelState.Weights, ModelState.Optimizer]) resumed.Import(state, model.Export(state));
        foreach (var each in (ICausalLanguageModel[])[model, resumed]) EngineSteps.Step(each, EngineSteps.Batch(30, 12));
        foreach (var (expected, actual) in model.Export(ModelState.Weights).Zip(resumed.Export(ModelState.Weights)))
            CollectionAssert.AreEqual(expected.Values, actual.Values, expected.Name);
    }

    [TestMethod]
    public void Score_TokensAlone_HaveTheBitsThatTheyHaveAmongOthers()
    {
        using var folder = TinyModels.Create(3, TinyModels.Mixture);
        using var model = new ManagedEngine(2).Load(new() { Folder = folder });
        var batch = EngineSteps.Batch(9, 30, 14, 2, 21);
        var together = model.Score(batch);
        for (var s = 0; s < batch.Length; s++)
            CollectionAssert.AreEqual(model.Score([batch[s]])[0].LogProbabilities, together[s].LogProbabilities, $"sequence {s}");
    }

    [TestMethod]
    [DataRow(true, false)]
    [DataRow(false, true)]
    public void Decode_NarrowWeights_GivesTheLogitsOfTheWholeSequence(bool int8, bool int4)
    {
        using var folder = TinyModels.Create(3, TinyModels.Mixture);
        var engine = new ManagedEngine(new ManagedEngineOptions { Threads = 2, Int8Weights = int8, Int4Weights = int4 });
        using var model = engine.Load(new() { Folder = folder });
        var tokens = EngineSteps.Batch(25)[0].Tokens;
        using var session = model.StartDecoding([tokens[..4], tokens[..1]], 16);
        for (var t = 4; t < 16; t++) session.Append([tokens.Span[t], tokens.Span[t - 3]]);
        using var whole = model.StartDecoding([tokens[..16]], 0);
        NumberAssert.AreClose(EngineSteps.Doubles(whole.Logits(0).ToArray()), session.Logits(0).ToArray(), 1e-5, "logits");
    }

    [TestMethod]
    [DataRow(new[] { 0.1f, 0.4f, 0.3f, 0.2f }, new[] { 1, 2 })]
    [DataRow(new[] { 0.25f, 0.25f, 0.25f, 0.25f }, new[] { 0, 1 })]
    [DataRow(new[] { 0.3f, 0.1f, 0.3f, 0.3f }, new[] { 0, 2 })]
    [DataRow(new[] { 0.1f, 0.2f, 0.3f, 0.4f }, new[] { 2, 3 })]
    [DataRow(new[] { 0.1f, 0.1f, 0.1f, 0.7f }, new[] { 0, 3 })]
    [DataRow(new[] { float.NaN, float.NaN, float.NaN, float.NaN }, new[] { 0, 1 })]
    [DataRow(new[] { 0.5f, 0.5f }, new[] { 0, 1 })]
    public void Choose_EqualOrInvalidProbabilities_TakesTheFirst(float[] probabilities, int[] expected)
    {
        var chosen = new int[2];
        Routing.Choose(probabilities, chosen);
        CollectionAssert.AreEqual(expected, chosen);
    }

    /// <summary>The first layer of a random model, with 5 or more tokens whose choice of experts small changes do not alter.</summary>
    private sealed class Mixture : IDisposable
    {
        private const float Margin = 0.05f; // between the logits of the last chosen and the first other expert

        private readonly ModelFolder _folder;
        private readonly Network _network;
        private readonly ExpertConfiguration _experts;

        public Mixture(int experts, int perToken, bool normalize, TrainableWeights trainable, int tokens)
        {
            _experts = new() { Count = experts, PerToken = perToken, IntermediateSize = Width, NormalizeWeights = normalize };
            using var source = TinyModels.Create(2, TinyModels.Mixture with { Experts = _experts });
            _folder = TinyModels.Rewrite(source, TensorType.F32, (name, values, _) => name.Contains("mlp", StringComparison.Ordinal)
                ? Numbers.Random(1, values.Length, name.Length + values.Length + name.Sum(letter => letter)).Data : values);
            _network = new Network(new() { Folder = _folder, Trainable = trainable, Lora = Lora }, new(), CancellationToken.None);
            var random = new Random(5);
            foreach (var parameter in _network.Parameters.Where(_ => trainable == TrainableWeights.Lora))
                foreach (ref var value in parameter.Values.AsSpan()) value = random.NextSingle() - 0.5f;
            Context = LayerGradientTests.Context(tokens);
            Activations = new LayerActivations(Context, _folder.Configuration, tokens);
            X = Matrix.Zeros(tokens, Hidden);
            for (int seed = 0, t = 0; t < tokens; seed++)
            {
                var row = Numbers.Random(1, Hidden, seed);
                if (IsClear(row.Span.ToArray())) row.CopyTo(X.RowRange(t++, 1));
            }
        }

        public static LoraConfiguration Lora { get; } = new()
        {
            Rank = 2, Alpha = 3, Dropout = 0, TargetModules = ["gate", "gate_proj", "up_proj", "down_proj"],
        };

        public Experts Layer => (Experts)_network.Layers[0].FeedForward;
        public EngineContext Context { get; }
        public LayerActivations Activations { get; }
        public Matrix X { get; }

        public void CheckGradients()
        {
            Matrix y = Matrix.Zeros(X.Rows, Hidden), r = Numbers.Random(X.Rows, Hidden, 4), dx = Matrix.Zeros(X.Rows, Hidden);
            double Loss()
            {
                Layer.Forward(Context, X, Activations, null, y);
                return Numbers.Dot(y, r);
            }
            Loss();
            Layer.Backward(Context, X, Activations, r, dx);
            Numbers.CheckGradient("x", X.Span, dx.Span, Loss, step: 3e-3f);
            var checkedParameters = 0;
            foreach (var parameter in _network.Parameters.Where(p => p.Name.StartsWith("model.layers.0.mlp", StringComparison.Ordinal)))
            {
                Numbers.CheckGradient(parameter.Name, parameter.Values, parameter.Gradient, Loss, step: 3e-3f);
                checkedParameters++;
            }
            Assert.AreEqual(_network.Lora is null ? 1 + 3 * _experts.Count : 6, checkedParameters);
        }

        /// <summary>The mixture of one token from its definition, without an adapter.</summary>
        public double[] Definition(float[] x)
        {
            double[] p = [.. Logits(x).Select(Math.Exp)];
            var chosen = Enumerable.Range(0, p.Length).OrderByDescending(expert => p[expert]).Take(_experts.PerToken).ToArray();
            var sum = _experts.NormalizeWeights ? chosen.Sum(expert => p[expert]) : p.Sum();
            var y = new double[Hidden];
            foreach (var expert in chosen)
            {
                var path = $"model.layers.0.mlp.experts.{expert}.";
                var (gate, up) = (Product(path + "gate_proj", x, Width), Product(path + "up_proj", x, Width));
                var active = gate.Zip(up, (g, u) => (float)(g / (1 + Math.Exp(-g)) * u)).ToArray();
                var output = Product(path + "down_proj", active, Hidden);
                for (var i = 0; i < Hidden; i++) y[i] += p[expert] / sum * output[i];
            }
            return y;
        }

        public void Dispose()
        {
            Activations.Dispose();
            _network.Dispose();
            _folder.Dispose();
        }

        private bool IsClear(float[] x)
        {
            var sorted = Logits(x).OrderDescending().ToArray();
            return _experts.PerToken == _experts.Count || sorted[_experts.PerToken - 1] - sorted[_experts.PerToken] > Margin;
        }

        private double[] Logits(float[] x)
        {
            var logits = Product("model.layers.0.mlp.gate", x, _experts.Count);
            if (_network.Lora is null) return logits;
            var factors = _network.Parameters.Where(p => p.Name.StartsWith("model.layers.0.mlp.gate.", StringComparison.Ordinal)).ToArray();
            var low = Multiply(factors[0].Values, x, factors[0].Shape[0]).Select(value => (float)value).ToArray();
            return [.. logits.Zip(Multiply(factors[1].Values, low, _experts.Count), (logit, change) => logit + 1.5 * change)];
        }

        private double[] Product(string module, float[] x, int rows) =>
            Multiply(_folder.Tensor(module + ".weight", rows, x.Length).ToArray(), x, rows);

        private static double[] Multiply(float[] matrix, float[] x, int rows) =>
            [.. Enumerable.Range(0, rows).Select(row => x.Select((value, i) => (double)value * matrix[row * x.Length + i]).Sum())];
    }
}
