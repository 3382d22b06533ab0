using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;
using static Microsoft.ML.Nlft.TestKit.EngineSteps;

namespace Microsoft.ML.Nlft.Tests.Engines;

[TestClass]
public class ManagedEngineConformanceTests : EngineConformance
{
    protected override IModelEngine Engine { get; } = new ManagedEngine(2);
}

[TestClass]
public class ManagedEngineRecomputingConformanceTests : EngineConformance
{
    protected override IModelEngine Engine { get; } = new ManagedEngine(new ManagedEngineOptions { Threads = 1, ActivationMemory = 0 });
}

[TestClass]
public class ManagedEngineArchitectureTests : ArchitectureConformance
{
    protected override IModelEngine Engine { get; } = new ManagedEngine(new ManagedEngineOptions { Threads = 2, ActivationMemory = 0 });
}

[TestClass]
public class ManagedEngineTransformersTests : TransformersConformance
{
    protected override IModelEngine Engine { get; } = new ManagedEngine(2);
}

[TestClass]
public class ManagedEngineBehaviourTests : EngineBehaviour
{
    protected override IModelEngine Engine { get; } = new ManagedEngine(2);
}

[TestClass]
public class ManagedEngineTests
{
    /// <summary>Equal prompts run once: the same bits as one alone, and hardly more memory.</summary>
    [TestMethod]
    public void StartDecoding_EqualPrompts_RunOnce()
    {
        using var folder = TestKit.TinyModels.Create(2);
        int[] prompt = [.. Enumerable.Range(0, 200).Select(i => i * i % TestKit.TinyModels.Configuration.VocabularySize)];
        (float[] Logits, long Bytes) Start(int count)
        {
            using var model = new ManagedEngine(1).Load(new() { Folder = ModelFolder.Open(folder.Path), Trainable = TrainableWeights.None });
            var before = GC.GetAllocatedBytesForCurrentThread();
            using var session = model.StartDecoding([.. Enumerable.Repeat((ReadOnlyMemory<int>)prompt, count)], 1);
            var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            session.Append([.. Enumerable.Range(0, count)]);
            return (session.Logits(0).ToArray(), bytes);
        }
        var (alone, many) = (Start(1), Start(16));
        CollectionAssert.AreEqual(alone.Logits, many.Logits);
        // Three of four pages are shared: another prompt takes its last page in every layer, its logits, and twice its tokens.
        var configuration = TestKit.TinyModels.Configuration;
        using var lastPages = new KeyValueCache(configuration, new Workspace());
        for (var layer = 0; layer < configuration.LayerCount; layer++) lastPages.Extend(layer, 1);
        const int Objects = 1000; // bytes of a cache without its pages
        var another = lastPages.Bytes + sizeof(float) * configuration.VocabularySize + 2 * sizeof(int) * prompt.Length + Objects;
        Assert.IsLessThan(alone.Bytes + 15 * another, many.Bytes);
    }

    [TestMethod]
    [DataRow(TrainableWeights.Lora)]
    [DataRow(TrainableWeights.All)]
    public void Train_AnyThreadsAndActivationMemory_GivesTheSameBits(TrainableWeights trainable)
    {
        using var folder = TinyModels.Create();
        float[]? first = null;
        foreach (var engine in (ManagedEngine[])[new(1), new(2), new(new ManagedEngineOptions { Threads = 2, ActivationMemory = 0 })])
        {
            using var model = Load(folder, trainable, engine);
            var losses = Enumerable.Range(0, 4).Select(_ => Step(model, Batch(40, 3, 17))).ToArray();
            first ??= losses;
            CollectionAssert.AreEqual(first, losses, $"{engine.Options}");
            Assert.IsLessThan(losses[0], losses[3], "The loss falls.");
        }
    }

    /// <summary>
    /// bfloat16 and float16 weights give the bits that float32 weights of the same values give; int8 weights, whose scale is applied to the sum, give
    /// the same up to rounding. So every conformance test and finite difference of float32 weights holds for them.
    /// </summary>
    [TestMethod]
    [DataRow(TensorType.BF16, false)]
    [DataRow(TensorType.F16, false)]
    [DataRow(TensorType.I8, false)]
    [DataRow(TensorType.I8, true)]
    public void Train_WeightsOfANarrowType_EqualsTheirFloat32Values(TensorType type, bool int4)
    {
        using var source = TinyModels.Create(4);
        using var wide = TinyModels.Rewrite(source, TensorType.F32, (name, values, columns) =>
            int4 && name.Contains("_proj.weight") ? RoundedInBlocks(values, columns) : Rounded(values, columns, type));
        using var narrow = TinyModels.Rewrite(source, type == TensorType.I8 ? TensorType.F32 : type, (_, values, _) => values);
        using var expected = Load(wide, TrainableWeights.Lora, new ManagedEngine(1));
        var engine = new ManagedEngine(new ManagedEngineOptions { Threads = 2, Int8Weights = type == TensorType.I8 && !int4, Int4Weights = int4 });
        using var actual = Load(narrow, TrainableWeights.Lora, engine);
        var tolerance = type == TensorType.I8 ? 1e-5 : 0;
        for (var step = 0; step < 4; step++)
        {
            Assert.AreEqual(Step(expected, Batch(40, 3, 17)), Step(actual, Batch(40, 3, 17)), tolerance, $"{type}, step {step}");
        }

        ReadOnlyMemory<int>[] prompts = [.. Batch(20, 3, 17).Select(sequence => sequence.Tokens)];
        using IDecodingSession one = expected.StartDecoding(prompts, 4), other = actual.StartDecoding(prompts, 4);
        for (var step = 0; step < 4; step++)
        {
            for (var s = 0; s < prompts.Length; s++)
            {
                NumberAssert.AreClose(Doubles(one.Logits(s).ToArray()), other.Logits(s).ToArray(),
                    tolerance, $"{type}, token {step} of sequence {s}");
            }
            one.Append([step, 7, 9]);
            other.Append([step, 7, 9]);
        }
    }

    private static float[] Rounded(float[] values, int columns, TensorType type)
    {
        var rounded = new float[values.Length];
        var bytes = new byte[values.Length * type.ByteSize()];
        if (type != TensorType.I8)
        {
            TensorConversion.FromSingle(type, values, bytes);
            TensorConversion.ToSingle(type, bytes, rounded);
            return rounded;
        }
        if (columns == values.Length) return values; // vectors are not quantized
        for (var start = 0; start < values.Length; start += columns)
        {
            var row = rounded.AsSpan(start, columns);
            values.AsSpan(start, columns).CopyTo(row);
            var scale = Int8.Quantize(row);
            foreach (ref var value in row) value *= scale;
        }
        return rounded;
    }

    private static float[] RoundedInBlocks(float[] values, int columns)
    {
        var rounded = new float[values.Length];
        var elements = new sbyte[32];
        for (var start = 0; start < values.Length; start += columns)
        {
            for (var k = start; k < start + columns; k += 32)
            {
                var block = values.AsSpan(k, Math.Min(32, start + columns - k));
                var scale = GgufEncoding.Quantize(block, elements);
                for (var i = 0; i < block.Length; i++) rounded[k + i] = elements[i] * scale;
            }
        }
        return rounded;
    }

    [TestMethod]
    public void Constructor_BothKindsOfQuantizedWeights_AreRefused()
    {
        var refused = Assert.ThrowsExactly<NlftException>(() =>
            new ManagedEngine(new ManagedEngineOptions { Int8Weights = true, Int4Weights = true }));
        Assert.AreEqual("option Int4Weights: found True; expected false with Int8Weights. Set one of the two.", refused.Message);
    }

    [TestMethod]
    public void Score_DisposedModel_Throws()
    {
        using var folder = TinyModels.Create();
        var model = Load(folder, TrainableWeights.None, new ManagedEngine(2));
        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Score(Batch(5)));
    }

    [TestMethod]
    public void Train_AllWeightsWithInt8Weights_StaysFloat32()
    {
        using var folder = TinyModels.Create();
        using var int8 = Load(folder, TrainableWeights.All, new ManagedEngine(new ManagedEngineOptions { Threads = 2, Int8Weights = true }));
        using var plain = Load(folder, TrainableWeights.All, new ManagedEngine(2));
        Assert.AreEqual(Step(plain, Batch(12)), Step(int8, Batch(12)), "Only frozen weights are quantized.");
    }

    [TestMethod]
    public void Backward_AllWeights_MatchesFiniteDifferences()
    {
        var configuration = TinyModels.Configuration with
        {
            ModelType = "llama",
            QueryKeyNorm = false,
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
            TieWordEmbeddings = false,
        };
        using var folder = TinyModels.Create(3, configuration);
        using var model = Load(folder, TrainableWeights.All, new ManagedEngine(1));
        // Values of order one, biases included, make every gradient measurable in float32.
        var random = new Random(4);
        var weights = model.Export(ModelState.Weights);
        foreach (var weight in weights)
        {
            var shift = weight.Name.Contains("norm") ? 0.5f : -0.5f;
            foreach (ref var value in weight.Values.AsSpan()) value = random.NextSingle() + shift;
        }
        model.Import(ModelState.Weights, weights);
        var batch = Batch(7, 5);
        Backward(model, batch);
        var gradients = model.Export(ModelState.Gradients);
        double Loss() => -model.Score(batch)
            .SelectMany((scores, s) => scores.LogProbabilities.Zip(Coefficients(batch[s]).ToArray(), (p, c) => (double)p * c)).Sum();
        foreach (var (weight, gradient) in weights.Zip(gradients))
        {
            foreach (var index in Enumerable.Range(0, 4).Select(_ => random.Next(weight.Values.Length)).Distinct())
            {
                var value = weight.Values[index];
                weight.Values[index] = value + 0.01f;
                model.Import(ModelState.Weights, weights);
                var up = Loss();
                weight.Values[index] = value - 0.01f;
                model.Import(ModelState.Weights, weights);
                var difference = (up - Loss()) / 0.02;
                weight.Values[index] = value;
                Assert.AreEqual(difference, gradient.Values[index], 2e-3 + 0.01 * gradient.Values.Max(Math.Abs), $"{weight.Name}[{index}]");
            }
        }
    }

    private static ICausalLanguageModel Load(ModelFolder folder, TrainableWeights trainable, ManagedEngine engine) =>
        engine.Load(new ModelLoadOptions { Folder = folder, Trainable = trainable, Lora = Lora });
}
