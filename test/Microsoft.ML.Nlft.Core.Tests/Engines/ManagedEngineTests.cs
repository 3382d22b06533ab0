using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.Models;

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
public class ManagedEngineTests
{
    private static readonly LoraConfiguration Lora = new() { Rank = 3, Alpha = 6, Dropout = 0.2, TargetModules = ["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"] };
    private static readonly AdamWOptions AdamW = new() { WeightDecay = 0.01 };

    [TestMethod]
    [DataRow(TrainableWeights.Lora)]
    [DataRow(TrainableWeights.All)]
    public void Train_OneThreadOrTwo_RecomputedOrNot_GivesTheSameBits(TrainableWeights trainable)
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
    /// A narrow type gives the bits that float32 gives for the same values: every conformance test and finite difference of float32 weights holds for it.
    /// </summary>
    [TestMethod]
    [DataRow(TensorType.BF16)]
    [DataRow(TensorType.F16)]
    [DataRow(TensorType.I8)]
    public void Train_WeightsOfANarrowType_GivesTheBitsOfTheirFloat32Values(TensorType type)
    {
        using var source = TinyModels.Create(4);
        using var wide = TinyModels.Rewrite(source, TensorType.F32, (_, values, columns) => Rounded(values, columns, type));
        using var narrow = type == TensorType.I8 ? TinyModels.Rewrite(source, TensorType.F32, (_, values, _) => values) : TinyModels.Rewrite(source, type, (_, values, _) => values);
        using var expected = Load(wide, TrainableWeights.Lora, new ManagedEngine(1));
        using var actual = Load(narrow, TrainableWeights.Lora, new ManagedEngine(new ManagedEngineOptions { Threads = 2, Int8Weights = type == TensorType.I8 }));
        for (var step = 0; step < 4; step++) Assert.AreEqual(Step(expected, Batch(40, 3, 17)), Step(actual, Batch(40, 3, 17)), $"{type}, step {step}");

        ReadOnlyMemory<int>[] prompts = [.. Batch(20, 3, 17).Select(sequence => sequence.Tokens)];
        using IDecodingSession one = expected.StartDecoding(prompts, 4), other = actual.StartDecoding(prompts, 4);
        for (var step = 0; step < 4; step++)
        {
            for (var s = 0; s < prompts.Length; s++)
                Numbers.AreClose([.. one.Logits(s).ToArray().Select(z => (double)z)], other.Logits(s).ToArray(), 1e-5, $"{type}, token {step} of sequence {s}");
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
        if (columns == values.Length) return values; // a vector is not rounded
        for (var start = 0; start < values.Length; start += columns)
        {
            var row = new sbyte[columns];
            var scale = Int8Matrix.Round(values.AsSpan(start, columns), row);
            for (var i = 0; i < columns; i++) rounded[start + i] = row[i] * scale;
        }
        return rounded;
    }

    [TestMethod]
    public void Train_Int8Weights_TrainsAllWeightsInFloat32()
    {
        using var folder = TinyModels.Create();
        using var int8 = Load(folder, TrainableWeights.All, new ManagedEngine(new ManagedEngineOptions { Threads = 2, Int8Weights = true }));
        using var plain = Load(folder, TrainableWeights.All, new ManagedEngine(2));
        Assert.AreEqual(Step(plain, Batch(12)), Step(int8, Batch(12)), "Only frozen weights are rounded.");
    }

    [TestMethod]
    public void Backward_InMicroBatches_AddsUpToTheWholeBatch()
    {
        using var folder = TinyModels.Create();
        using var whole = Load(folder, TrainableWeights.All, new ManagedEngine(2));
        using var split = Load(folder, TrainableWeights.All, new ManagedEngine(2));
        var batch = Batch(9, 30, 4, 12, 21);
        Backward(whole, batch);
        Backward(split, batch[..2]);
        Backward(split, batch[2..4]);
        Backward(split, batch[4..]);
        foreach (var (expected, actual) in whole.Export(ModelState.Gradients).Zip(split.Export(ModelState.Gradients)))
            Numbers.AreClose([.. expected.Values.Select(v => (double)v)], actual.Values, 1e-6 * Math.Max(1, expected.Values.Max(Math.Abs)), expected.Name);
    }

    [TestMethod]
    public void Backward_AllWeights_IsTheGradientOfEveryTensor()
    {
        var configuration = TinyModels.Configuration with { ModelType = "llama", QueryKeyNorm = false, QkvBias = true, OutputBias = true, MlpBias = true, TieWordEmbeddings = false };
        using var folder = TinyModels.Create(3, configuration);
        using var model = Load(folder, TrainableWeights.All, new ManagedEngine(1));
        // values of order one, biases included, make every gradient measurable in float32
        var random = new Random(4);
        var weights = model.Export(ModelState.Weights);
        foreach (var weight in weights)
            foreach (ref var value in weight.Values.AsSpan()) value = weight.Name.Contains("norm") ? 0.5f + random.NextSingle() : random.NextSingle() - 0.5f;
        model.Import(ModelState.Weights, weights);
        var batch = Batch(7, 5);
        Backward(model, batch);
        var gradients = model.Export(ModelState.Gradients);
        double Loss() => -model.Score(batch).SelectMany((scores, s) => scores.LogProbabilities.Zip(Coefficients(batch[s]).ToArray(), (p, c) => (double)p * c)).Sum();
        foreach (var (weight, gradient) in weights.Zip(gradients))
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

    [TestMethod]
    public void Forward_SequencesTogetherOrAlone_GivesTheSameScores()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.Lora, new ManagedEngine(2));
        Step(model, Batch(20, 20)); // B is no longer zero: dropout matters
        var batch = Batch(9, 30, 14);
        using var together = model.Forward(batch);
        for (var s = 0; s < batch.Length; s++)
        {
            using var alone = model.Forward([batch[s]]);
            Numbers.AreClose([.. alone.Scores[0].LogProbabilities.Select(p => (double)p)], together.Scores[s].LogProbabilities, 1e-5, $"sequence {s}");
        }
        var plain = model.Score(batch);
        Assert.AreNotEqual(plain[0].LogProbabilities[3], together.Scores[0].LogProbabilities[3], "Dropout is on in Forward and off in Score.");
    }

    [TestMethod]
    public void Decode_TokenByToken_GivesTheLogitsOfTheWholeSequence()
    {
        using var folder = TinyModels.Create(2, TinyModels.Configuration with { SlidingWindows = [0, 6] });
        using var model = Load(folder, TrainableWeights.None, new ManagedEngine(2));
        var tokens = Batch(25)[0].Tokens;
        ReadOnlyMemory<int>[] prompts = [tokens[..4], tokens[..9], tokens[..1], tokens[..6], tokens[..2], tokens[..3]];
        using var session = model.StartDecoding(prompts, 16);
        for (var step = 0; step < 10; step++)
        {
            for (var s = 0; s < prompts.Length; s++)
                if (s != 1 || step < 5)
                {
                    using var oracle = model.StartDecoding([tokens[..(prompts[s].Length + step)]], 0);
                    Numbers.AreClose([.. oracle.Logits(0).ToArray().Select(z => (double)z)], session.Logits(s).ToArray(), 1e-5, $"step {step}, sequence {s}");
                }
            int[] next = [.. prompts.Select((prompt, s) => s == 1 && step >= 4 ? -1 : tokens.Span[prompt.Length + step])];
            session.Append(next);
        }
        Assert.ThrowsExactly<InvalidOperationException>(() => session.Logits(1).ToArray());
    }

    [TestMethod]
    public void Import_WhatExportGave_ContinuesBitForBit()
    {
        using var folder = TinyModels.Create();
        using var straight = Load(folder, TrainableWeights.Lora, new ManagedEngine(2));
        using var resumed = Load(folder, TrainableWeights.Lora, new ManagedEngine(2));
        var batch = Batch(15, 8);
        Step(straight, batch);
        Step(straight, batch);
        resumed.Import(ModelState.Weights, straight.Export(ModelState.Weights));
        resumed.Import(ModelState.Optimizer, straight.Export(ModelState.Optimizer));
        for (var i = 0; i < 3; i++) Assert.AreEqual(Step(straight, batch), Step(resumed, batch), $"step {i}");
    }

    [TestMethod]
    public void ApplyGradients_NotFinite_ChangesNothing()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.Lora, new ManagedEngine(1));
        var batch = Batch(10);
        var before = model.Export(ModelState.Weights);
        using (var pass = model.Forward(batch)) pass.Backward([Enumerable.Repeat(float.NaN, batch[0].ResponseLength).ToArray()]);
        Assert.IsTrue(double.IsNaN(model.ApplyGradients(AdamW, 0.1)));
        foreach (var (expected, actual) in before.Zip(model.Export(ModelState.Weights))) CollectionAssert.AreEqual(expected.Values, actual.Values, expected.Name);
        Assert.IsTrue(double.IsFinite(Step(model, batch)), "The bad gradient is gone.");
    }

    [TestMethod]
    public void Adapter_ExportedAndLoaded_ScoresAlike()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.Lora, new ManagedEngine(2));
        var batch = Batch(12, 9);
        Step(model, batch);
        var adapter = new LoraAdapter(model.Lora!, model.Export(ModelState.Weights));
        using var loaded = new ManagedEngine(2).Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        CollectionAssert.AreEqual(model.Score(batch)[1].LogProbabilities, loaded.Score(batch)[1].LogProbabilities);
        Assert.ThrowsExactly<InvalidOperationException>(() => loaded.Forward(batch));
    }

    [TestMethod]
    [DynamicData(nameof(EngineRefusals.BadInput), typeof(EngineRefusals))]
    public void BadInput_IsRefusedWithItsMessage(Action<ICausalLanguageModel> action, string message)
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.Lora, new ManagedEngine(1));
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => action(model)).Message);
    }

    [TestMethod]
    public void Forward_Cancelled_Stops()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.Lora, new ManagedEngine(1));
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Forward(Batch(10), cancellationToken: new CancellationToken(true)));
        Assert.IsTrue(double.IsFinite(Step(model, Batch(10))), "The model is usable afterwards.");
    }

    private static ICausalLanguageModel Load(ModelFolder folder, TrainableWeights trainable, ManagedEngine engine) =>
        engine.Load(new ModelLoadOptions { Folder = folder, Trainable = trainable, Lora = Lora });

    private static TokenSequence[] Batch(params int[] lengths)
    {
        var random = new Random(11);
        return [.. lengths.Select((length, i) => new TokenSequence(Enumerable.Range(0, length).Select(_ => random.Next(TinyModels.Vocabulary)).ToArray(), Math.Max(1, length / 3))
        {
            DropoutSeed = (ulong)i + 1,
        })];
    }

    private static ReadOnlyMemory<float> Coefficients(TokenSequence sequence) =>
        Enumerable.Range(0, sequence.ResponseLength).Select(t => 1f / sequence.ResponseLength * (t % 3 == 1 ? -0.2f : 1)).ToArray();

    private static float Backward(ICausalLanguageModel model, TokenSequence[] batch)
    {
        using var pass = model.Forward(batch);
        pass.Backward([.. batch.Select(Coefficients)]);
        return pass.Scores.Sum(scores => -scores.LogProbabilities.Average());
    }

    private static float Step(ICausalLanguageModel model, TokenSequence[] batch)
    {
        var loss = Backward(model, batch);
        model.ApplyGradients(AdamW, 0.02);
        return loss;
    }
}
