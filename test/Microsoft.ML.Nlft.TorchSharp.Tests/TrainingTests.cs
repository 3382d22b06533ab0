using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using TorchSharp;
using static Microsoft.ML.Nlft.TestKit.EngineSteps;
using static Microsoft.ML.Nlft.Tests.Models;
using Dropout = Microsoft.ML.Nlft.TorchSharp.Layers.Dropout;
using DropoutKeys = Microsoft.ML.Nlft.TorchSharp.Layers.DropoutKeys;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Gradients and steps, compared with the managed engine.</summary>
[TestClass]
public class TrainingTests
{
    private static readonly LoraConfiguration NoDropout = Lora with { Dropout = 0 };

    private static ModelConfiguration Llama => TinyModels.Configuration with { ModelType = "llama", QueryKeyNorm = false };

    public static IEnumerable<object[]> Configurations =>
    [
        ["qwen3", TinyModels.Configuration],
        ["llama", Llama with { QkvBias = true, OutputBias = true, MlpBias = true, TieWordEmbeddings = false }],
        ["window", TinyModels.Configuration with { SlidingWindows = [6, 0] }],
    ];

    [TestMethod]
    [DynamicData(nameof(Configurations))]
    public void Backward_LoraOrAllWeights_MatchesTheManagedEngine(string name, ModelConfiguration configuration)
    {
        using var folder = TinyModels.Create(3, configuration);
        foreach (var trainable in (TrainableWeights[])[TrainableWeights.Lora, TrainableWeights.All])
        {
            foreach (var recompute in (bool[])[false, true])
            {
                using var managed = Load(folder, trainable, new ManagedEngine(2), NoDropout);
                using var model = Load(folder, trainable, Engine(recompute), NoDropout);
                AreClose(managed.Export(ModelState.Weights), model.Export(ModelState.Weights), 0);
                for (var step = 0; step < 2; step++) // in the second step, B is no longer zero
                {
                    var batch = Batch(9, 30, 14);
                    Assert.AreEqual(Backward(managed, batch), Backward(model, batch), 1e-5, name);
                    AreClose(managed.Export(ModelState.Gradients), model.Export(ModelState.Gradients), 1e-4, floor: 1e-3);
                    Assert.AreEqual(managed.ApplyGradients(AdamW, 0.02), model.ApplyGradients(AdamW, 0.02), 1e-5);
                }
            }
        }
    }

    [TestMethod]
    public void ApplyGradients_SameGradients_MatchesTheManagedEngine()
    {
        using var folder = TinyModels.Create();
        using var managed = Load(folder, engine: new ManagedEngine(1));
        using var model = Load(folder);
        var random = new Random(5);
        foreach (var norm in (double[])[1, 0.01, double.PositiveInfinity])
        {
            NamedTensor[] gradients = [.. managed.Export(ModelState.Gradients)
                .Select(tensor => tensor with { Values = [.. tensor.Values.Select(_ => random.NextSingle() - 0.5f)] })];
            var options = AdamW with { MaximumGradientNorm = norm, Beta1 = 0.8, WeightDecay = 0.1 };
            foreach (var each in (ICausalLanguageModel[])[managed, model]) each.Import(ModelState.Gradients, gradients);
            var expected = managed.ApplyGradients(options, 0.05);
            Assert.AreEqual(expected, model.ApplyGradients(options, 0.05), 1e-5 * expected);
        }
        AreClose(managed.Export(ModelState.Weights), model.Export(ModelState.Weights), 1e-5);
        AreClose(managed.Export(ModelState.Optimizer), model.Export(ModelState.Optimizer), 1e-5);
        Assert.IsTrue(model.Export(ModelState.Gradients).All(tensor => tensor.Values.All(value => value == 0)), "The gradients are cleared.");
    }

    [TestMethod]
    public void Backward_Recomputing_UsesTheMasksOfTheForwardPass()
    {
        using var folder = TinyModels.Create();
        using var kept = Load(folder);
        using var recomputed = Load(folder, engine: Engine(recompute: true));
        Step(kept, Batch(20)); // dropout matters once B is not zero
        recomputed.Import(ModelState.Weights, kept.Export(ModelState.Weights));
        var batch = Batch(9, 30, 4);
        Assert.AreEqual(Backward(kept, batch), Backward(recomputed, batch), 1e-6);
        AreClose(kept.Export(ModelState.Gradients), recomputed.Export(ModelState.Gradients), 1e-5);
    }

    [TestMethod]
    public void Mask_AnyRowsAndModules_EqualsItsDefinition()
    {
        var batch = PackedBatch.Create([new int[200], new int[56]], TinyModels.Configuration, [7, 8]);
        var (mask, other, features) = (Mask(0), Mask(1), DropoutMask.FeatureKeys(500));
        for (var row = 0; row < 256; row++)
        {
            var key = DropoutMask.RowKey(DropoutMask.PositionKey(row < 200 ? 7ul : 8, row % 200), 11);
            for (var feature = 0; feature < 500; feature++)
            {
                var kept = DropoutMask.IsKept(key, features[feature], DropoutMask.Threshold(0.2));
                Assert.AreEqual(kept, mask[500 * row + feature], $"row {row}, feature {feature}");
            }
        }
        Assert.AreEqual(0.8, mask.Average(kept => kept ? 1.0 : 0), 5 * Math.Sqrt(0.2 * 0.8 / (256 * 500)));
        Assert.AreEqual(0.68, mask.Zip(other).Average(pair => pair.First == pair.Second ? 1.0 : 0), 0.01,
            "The masks of two modules are independent: 0.8^2 + 0.2^2 of their entries agree.");
        CollectionAssert.AreEqual((bool[])[.. mask[(500 * 201)..(500 * 202)], .. mask[..500]], Mask(0, 201, 0),
            "The mask of some rows is their part of the mask of all rows.");

        bool[] Mask(int module, params long[] rows)
        {
            using var scope = torch.NewDisposeScope();
            using var keys = new DropoutKeys([11, 12], 600, torch.device(Device));
            using Scalar threshold = DropoutMask.Threshold(0.2);
            var some = rows.Length == 0 ? null : torch.tensor(rows, device: Device);
            return [.. new Dropout(batch, keys).Mask(module, threshold, 500, some).cpu().data<bool>()];
        }
    }

    /// <summary>
    /// Rounding is the only thing that 8 and 4 bits change: a model with the same rounded values in float32 gives the same results. Rows of 40 values
    /// do not fill blocks of 32.
    /// </summary>
    [TestMethod]
    [DataRow(8)]
    [DataRow(4)]
    public void Train_WeightsOfFewBits_GivesWhatTheirFloat32ValuesGive(int bits)
    {
        using var folder = TinyModels.Create(2, Llama with { MlpBias = true, IntermediateSize = 40 });
        using var rounded = TinyModels.Rewrite(folder, TensorType.F32, (name, values, columns) => !name.Contains("_proj.weight") ? values
            : bits == 8 ? RoundedToInt8(values, columns) : RoundedToInt4(values, columns));
        using var full = Load(folder);
        using var expected = Load(rounded);
        using var few = Load(folder, engine: Engine(bits: bits));
        var batch = Batch(25, 13);
        Assert.AreNotEqual(full.Score(batch)[0].LogProbabilities[0], few.Score(batch)[0].LogProbabilities[0]);
        NumberAssert.AreClose(Doubles(expected.Score(batch)[0].LogProbabilities), few.Score(batch)[0].LogProbabilities, 1e-5, "log_probs");
        Backward(expected, batch);
        Backward(few, batch);
        AreClose(expected.Export(ModelState.Gradients), few.Export(ModelState.Gradients), 1e-4, floor: 1e-3);
        var losses = Enumerable.Range(0, 5).Select(_ => Step(few, batch)).ToArray();
        Assert.IsLessThan(losses[0], losses[^1], "The loss falls.");
    }

    private static float[] RoundedToInt8(float[] values, int columns)
    {
        var rounded = new float[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var scale = values.AsSpan(i / columns * columns, columns).ToArray().Max(Math.Abs) * (float)(1.0 / 127);
            rounded[i] = MathF.Round(values[i] / scale) * scale;
        }
        return rounded;
    }

    /// <summary>Each block of 32 values of a row by the rule of Q4_0.</summary>
    private static float[] RoundedToInt4(float[] values, int columns)
    {
        var rounded = new float[values.Length];
        for (var row = 0; row < values.Length; row += columns)
        {
            for (var first = 0; first < columns; first += 32)
            {
                var block = values.AsSpan(row + first, Math.Min(32, columns - first));
                var largest = 0f;
                foreach (var value in block) largest = MathF.Abs(value) > MathF.Abs(largest) ? value : largest;
                var (inverse, scale) = (1 / (largest / -8), (float)(Half)(largest / -8));
                for (var i = 0; i < block.Length; i++) rounded[row + first + i] = scale * (Math.Min(15, (int)(block[i] * inverse + 8.5f)) - 8);
            }
        }
        return rounded;
    }

    [TestMethod]
    public void Export_GradientsOfAModelForInference_Throws()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.None);
        Assert.ThrowsExactly<InvalidOperationException>(() => model.Export(ModelState.Gradients));
    }

    [TestMethod]
    public void Backward_LoraOnTheUpperLayerOnly_MatchesTheManagedEngine()
    {
        var lora = NoDropout with { Layers = [1] };
        using var folder = TinyModels.Create();
        using var managed = Load(folder, engine: new ManagedEngine(1), lora: lora);
        using var model = Load(folder, lora: lora);
        var batch = Batch(14, 5);
        for (var step = 0; step < 3; step++) Assert.AreEqual(Step(managed, batch), Step(model, batch), 1e-4);
        Backward(managed, batch);
        Backward(model, batch);
        AreClose(managed.Export(ModelState.Gradients), model.Export(ModelState.Gradients), 1e-3, floor: 1e-3);
    }
}
