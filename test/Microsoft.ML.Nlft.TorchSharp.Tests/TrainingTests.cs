using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tests.Engines;
using Microsoft.ML.Nlft.TorchSharp;
using static Microsoft.ML.Nlft.Tests.Models;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Gradients and steps, with the managed engine as the oracle.</summary>
[TestClass]
public class TrainingTests
{
    private static readonly LoraConfiguration NoDropout = Lora with { Dropout = 0 };

    public static IEnumerable<object[]> Configurations =>
    [
        ["qwen3", TinyModels.Configuration],
        ["llama", TinyModels.Configuration with { ModelType = "llama", QueryKeyNorm = false, QkvBias = true, OutputBias = true, MlpBias = true, TieWordEmbeddings = false }],
        ["window", TinyModels.Configuration with { SlidingWindows = [6, 0] }],
    ];

    [TestMethod]
    [DynamicData(nameof(Configurations))]
    public void Backward_LoraOrAllWeights_GivesTheGradientsOfTheManagedEngine(string name, ModelConfiguration configuration)
    {
        using var folder = TinyModels.Create(3, configuration);
        foreach (var trainable in (TrainableWeights[])[TrainableWeights.Lora, TrainableWeights.All])
            foreach (var recompute in (bool[])[false, true])
            {
                using var managed = Load(folder, trainable, new ManagedEngine(2), NoDropout);
                using var model = Load(folder, trainable, Engine(recompute), NoDropout);
                AreClose(managed.Export(ModelState.Weights), model.Export(ModelState.Weights), 0);
                for (var step = 0; step < 2; step++) // with B no longer zero the second time
                {
                    var batch = Batch(9, 30, 14);
                    Assert.AreEqual(Backward(managed, batch), Backward(model, batch), 1e-5, name);
                    AreClose(managed.Export(ModelState.Gradients), model.Export(ModelState.Gradients), 1e-4, floor: 1e-3);
                    Assert.AreEqual(managed.ApplyGradients(AdamW, 0.02), model.ApplyGradients(AdamW, 0.02), 1e-5);
                }
            }
    }

    [TestMethod]
    public void ApplyGradients_TheSameGradients_GivesTheWeightsAndMomentsOfTheManagedEngine()
    {
        using var folder = TinyModels.Create();
        using var managed = Load(folder, engine: new ManagedEngine(1));
        using var model = Load(folder);
        var random = new Random(5);
        foreach (var norm in (double[])[1, 0.01, double.PositiveInfinity])
        {
            NamedTensor[] gradients = [.. managed.Export(ModelState.Gradients).Select(t => t with { Values = [.. t.Values.Select(_ => random.NextSingle() - 0.5f)] })];
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
    [DataRow(false)]
    [DataRow(true)]
    public void Backward_InMicroBatches_AddsUpToTheWholeBatch_DropoutIncluded(bool recompute)
    {
        using var folder = TinyModels.Create();
        using var whole = Load(folder, engine: Engine(recompute));
        using var split = Load(folder);
        foreach (var model in (ICausalLanguageModel[])[whole, split]) Step(model, Batch(20)); // dropout matters once B is not zero
        split.Import(ModelState.Weights, whole.Export(ModelState.Weights));
        var batch = Batch(9, 30, 4, 12, 21);
        Backward(whole, batch);
        Backward(split, batch[2..]);
        Backward(split, batch[..1]);
        Backward(split, batch[1..2]);
        AreClose(whole.Export(ModelState.Gradients), split.Export(ModelState.Gradients), 1e-4, floor: 1e-3);
    }

    [TestMethod]
    public void Forward_DropoutOn_DependsOnTheSequenceAlone_AndIsOffInScore()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        Step(model, Batch(20, 20));
        var batch = Batch(9, 30, 14);
        using var together = model.Forward(batch);
        for (var s = 0; s < batch.Length; s++)
        {
            using var alone = model.Forward([batch[s]]);
            Numbers.AreClose(Doubles(alone.Scores[0].LogProbabilities), together.Scores[s].LogProbabilities, 1e-5, $"sequence {s}");
        }
        var plain = model.Score(batch);
        Assert.AreNotEqual(plain[0].LogProbabilities[3], together.Scores[0].LogProbabilities[3], "Dropout is on in Forward and off in Score.");
        using var otherSeed = model.Forward([batch[0] with { DropoutSeed = 99 }]);
        Assert.AreNotEqual(otherSeed.Scores[0].LogProbabilities[3], together.Scores[0].LogProbabilities[3], "The seed makes the mask.");

        using var without = Load(folder, lora: NoDropout);
        without.Import(ModelState.Weights, model.Export(ModelState.Weights));
        using var pass = without.Forward(batch);
        Numbers.AreClose(Doubles(plain[1].LogProbabilities), pass.Scores[1].LogProbabilities, 1e-6, "without dropout");
    }

    [TestMethod]
    public void Dropout_DropsTheShareItSays_AndKeepsTheMean()
    {
        using var folder = TinyModels.Create();
        using var model = (TorchLanguageModel)Load(folder);
        var batch = PackedBatch.Create([new int[200], new int[56]], model.Configuration, [7, 8]);
        using var mask = model.Dropout.Mask(batch, 1, 0.2, 500);
        using var other = model.Dropout.Mask(batch, 2, 0.2, 500);
        Assert.AreEqual(0.8, Share(mask), 5 * Math.Sqrt(0.2 * 0.8 / (256 * 500)));
        Assert.AreEqual(0.68, Share(mask.eq(other)), 0.01, "Two modules have independent masks: 0.8^2 + 0.2^2 agree.");

        static double Share(global::TorchSharp.torch.Tensor flags) => flags.to_type(global::TorchSharp.torch.ScalarType.Float64).mean().item<double>();
    }

    [TestMethod]
    public void Import_WhatExportGave_ContinuesBitForBit()
    {
        using var folder = TinyModels.Create();
        using var straight = Load(folder);
        using var resumed = Load(folder);
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
        using var model = Load(folder);
        var batch = Batch(10);
        Step(model, batch);
        var (weights, optimizer) = (model.Export(ModelState.Weights), model.Export(ModelState.Optimizer));
        using (var pass = model.Forward(batch)) pass.Backward([Enumerable.Repeat(float.NaN, batch[0].ResponseLength).ToArray()]);
        Assert.IsTrue(double.IsNaN(model.ApplyGradients(AdamW, 0.1)));
        AreClose(weights, model.Export(ModelState.Weights), 0);
        AreClose(optimizer, model.Export(ModelState.Optimizer), 0);
        Assert.IsTrue(double.IsFinite(Step(model, batch)), "The bad gradient is gone.");
    }

    [TestMethod]
    public void BFloat16_ScoresNearFloat32_AndTrainsFloat32Weights()
    {
        using var folder = TinyModels.Create();
        using var full = Load(folder, lora: NoDropout);
        using var half = Load(folder, engine: new TorchSharpEngine(new() { Device = "cpu", ComputeType = TensorType.BF16 }), lora: NoDropout);
        var batch = Batch(25, 13);
        for (var step = 0; step < 3; step++)
        {
            Numbers.AreClose(Doubles(full.Score(batch)[0].LogProbabilities), half.Score(batch)[0].LogProbabilities, 0.01, $"log_probs before step {step}");
            Assert.AreEqual(Step(full, batch), Step(half, batch), 0.01);
        }
        Assert.IsTrue(half.Export(ModelState.Weights)[0].Values.Any(value => BitConverter.SingleToUInt32Bits(value) % 65536 != 0), "The adapter is not rounded to bfloat16.");
    }

    [TestMethod]
    public void Int8Weights_ScoreNearTheFullWeights_AndTrain()
    {
        using var folder = TinyModels.Create(2, TinyModels.Configuration with { ModelType = "llama", QueryKeyNorm = false, MlpBias = true });
        using var full = Load(folder);
        using var int8 = Load(folder, engine: Engine(int8: true));
        var batch = Batch(25, 13);
        Numbers.AreClose(Doubles(full.Score(batch)[0].LogProbabilities), int8.Score(batch)[0].LogProbabilities, 5e-3, "log_probs");
        Assert.AreNotEqual(full.Score(batch)[0].LogProbabilities[0], int8.Score(batch)[0].LogProbabilities[0]);
        Backward(full, batch);
        Backward(int8, batch);
        AreClose(full.Export(ModelState.Gradients), int8.Export(ModelState.Gradients), 0.1, floor: 1e-3);
        var losses = Enumerable.Range(0, 5).Select(_ => Step(int8, batch)).ToArray();
        Assert.IsLessThan(losses[0], losses[^1], "The loss falls.");
    }

    [TestMethod]
    public void Adapter_ExportedAndLoadedForInference_ScoresAlike_AndCannotBeTrained()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        var batch = Batch(12, 9);
        Step(model, batch);
        var adapter = new LoraAdapter(model.Lora!, model.Export(ModelState.Weights));
        using var loaded = Engine().Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        CollectionAssert.AreEqual(model.Score(batch)[1].LogProbabilities, loaded.Score(batch)[1].LogProbabilities);
        AreClose(adapter.Factors, loaded.Export(ModelState.Weights), 0);
        Assert.ThrowsExactly<InvalidOperationException>(() => loaded.Forward(batch));
        Assert.ThrowsExactly<InvalidOperationException>(() => loaded.Export(ModelState.Gradients));
    }

    [TestMethod]
    public void LoraOnTheUpperLayerAlone_GivesTheGradientsOfTheManagedEngine()
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

    [TestMethod]
    public void Forward_Cancelled_Stops_AndBackwardWorksOnce()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        var batch = Batch(10);
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Forward(batch, cancellationToken: new CancellationToken(true)));
        Assert.ThrowsExactly<OperationCanceledException>(() => model.StartDecoding([batch[0].Tokens], 1, new CancellationToken(true)));
        using (var pass = model.Forward(batch))
            Assert.ThrowsExactly<OperationCanceledException>(() => pass.Backward([Coefficients(batch[0])], new CancellationToken(true)));
        model.ClearGradients();
        Assert.IsTrue(double.IsFinite(Step(model, batch)), "The model is usable afterwards.");
        using var again = model.Forward(batch);
        again.Backward([default]);
        Assert.AreEqual(0, model.ApplyGradients(AdamW, 0.1), "An empty entry counts as zeros.");
        Assert.ThrowsExactly<InvalidOperationException>(() => again.Backward([default]));
    }
}
