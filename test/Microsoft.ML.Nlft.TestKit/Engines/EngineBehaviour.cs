using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using static Microsoft.ML.Nlft.TestKit.EngineSteps;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Tests what every engine must do, whatever its numeric type: micro-batches, dropout, decoding with a cache, export and import, refusals. A test
/// class derives from this and names its engine, which computes in float32.
/// </summary>
public abstract class EngineBehaviour
{
    private static readonly LoraConfiguration NoDropout = Lora with { Dropout = 0 };

    protected abstract IModelEngine Engine { get; }

    [TestMethod]
    public void Backward_ExpertsInMicroBatches_AddsUpToTheWholeBatch()
    {
        using var folder = TinyModels.Create(1, TinyModels.Mixture);
        using var whole = Load(folder, TrainableWeights.All);
        using var split = Load(folder, TrainableWeights.All);
        var batch = Batch(9, 30, 4, 12, 21);
        Backward(whole, batch);
        foreach (var sequence in batch) Backward(split, [sequence]);
        AreClose(whole.Export(ModelState.Gradients), split.Export(ModelState.Gradients), 1e-4, floor: 1e-3);
    }

    [TestMethod]
    [DataRow(TrainableWeights.Lora)]
    [DataRow(TrainableWeights.All)]
    public void Backward_InMicroBatches_AddsUpToTheWholeBatch_DropoutIncluded(TrainableWeights trainable)
    {
        using var folder = TinyModels.Create();
        using var whole = Load(folder, trainable);
        using var split = Load(folder, trainable);
        foreach (var model in (ICausalLanguageModel[])[whole, split]) Step(model, Batch(20)); // dropout matters once B is not zero
        split.Import(ModelState.Weights, whole.Export(ModelState.Weights));
        var batch = Batch(9, 30, 4, 12, 21);
        Backward(whole, batch);
        Backward(split, batch[2..]);
        Backward(split, batch[..1]);
        Backward(split, batch[1..2]);
        AreClose(whole.Export(ModelState.Gradients), split.Export(ModelState.Gradients), 1e-4, floor: 1e-3);
    }

    /// <summary>Every adapter on shared weights computes what it computes alone, to the bit, also after the first model is gone.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Load_SharedWeights_ScoresAsAlone(bool experts)
    {
        using var folder = experts ? TinyModels.Create(1, TinyModels.Mixture) : TinyModels.Create();
        var batch = Batch(9, 30, 14);
        using var first = Load(folder, TrainableWeights.None);
        var plain = first.Score(batch);
        LoraAdapter[] adapters =
        [
            Trained(Lora with { TargetModules = ["q_proj", "v_proj"] }),
            Trained(Lora with { TargetModules = ["q_proj", "k_proj"], Rank = 2, UseDora = true }),
        ];
        using var other = Shared(adapters[0]);
        using var last = Shared(adapters[1]);
        AreSame(plain, first.Score(batch));
        first.Dispose();
        foreach (var (shared, adapter) in new[] { (other, adapters[0]), (last, adapters[1]) })
        {
            using var alone = Engine.Load(new() { Folder = folder, Adapter = adapter });
            var expected = alone.Score(batch);
            AreSame(expected, shared.Score(batch));
            Assert.AreNotEqual(plain[0].LogProbabilities[1], expected[0].LogProbabilities[1]);
        }

        ICausalLanguageModel Shared(LoraAdapter adapter) => Engine.Load(new() { Folder = folder, Adapter = adapter, SharedWith = first });

        LoraAdapter Trained(LoraConfiguration lora)
        {
            using var model = Load(folder, lora: lora with { Dropout = 0 });
            Step(model, batch);
            return new(model.Lora!, model.Export(ModelState.Weights));
        }

        static void AreSame(IReadOnlyList<TokenScores> expected, IReadOnlyList<TokenScores> actual)
        {
            for (var s = 0; s < expected.Count; s++)
                CollectionAssert.AreEqual(expected[s].LogProbabilities.ToArray(), actual[s].LogProbabilities.ToArray());
        }
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
            NumberAssert.AreClose(Doubles(alone.Scores[0].LogProbabilities), together.Scores[s].LogProbabilities, 1e-5, $"sequence {s}");
        }
        var plain = model.Score(batch);
        Assert.AreNotEqual(plain[0].LogProbabilities[3], together.Scores[0].LogProbabilities[3], "Dropout is on in Forward and off in Score.");
        using var otherSeed = model.Forward([batch[0] with { DropoutSeed = 99 }]);
        Assert.AreNotEqual(otherSeed.Scores[0].LogProbabilities[3], together.Scores[0].LogProbabilities[3], "The mask depends on the seed.");

        using var without = Load(folder, lora: NoDropout);
        without.Import(ModelState.Weights, model.Export(ModelState.Weights));
        using var pass = without.Forward(batch);
        NumberAssert.AreClose(Doubles(plain[1].LogProbabilities), pass.Scores[1].LogProbabilities, 1e-6, "without dropout");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Decode_TokenByToken_GivesTheLogitsOfTheWholeSequence(bool experts)
    {
        using var folder = TinyModels.Create(2, experts ? TinyModels.Mixture : TinyModels.Configuration with { SlidingWindows = [0, 6] });
        using var model = Load(folder, TrainableWeights.None);
        var tokens = Batch(25)[0].Tokens;
        ReadOnlyMemory<int>[] prompts = [tokens[..4], tokens[..9], tokens[..1], tokens[..6], tokens[..2], tokens[..3]];
        using var session = model.StartDecoding(prompts, 16);
        for (var step = 0; step < 10; step++)
        {
            for (var s = 0; s < prompts.Length; s++)
            {
                if (s != 1 || step < 5)
                {
                    using var oracle = model.StartDecoding([tokens[..(prompts[s].Length + step)]], 0);
                    NumberAssert.AreClose(Doubles(oracle.Logits(0).ToArray()), session.Logits(s).ToArray(), 1e-5, $"step {step}, sequence {s}");
                }
            }
            session.Append([.. prompts.Select((prompt, s) => s == 1 && step >= 4 ? -1 : tokens.Span[prompt.Length + step])]);
        }
        Assert.ThrowsExactly<InvalidOperationException>(() => session.Logits(1).ToArray());
    }

    /// <summary>Several answers to one prompt: each is as if it were alone, whatever the others append.</summary>
    [TestMethod]
    [DataRow(63)]
    [DataRow(64)]
    [DataRow(65)]
    public void Decode_EqualPrompts_GivesEachTheLogitsOfItsOwnSequence(int length)
    {
        using var folder = TinyModels.Create(2, TinyModels.Configuration with { SlidingWindows = [0, 70] });
        using var model = Load(folder, TrainableWeights.None);
        var (first, second) = (Ids(length, 1), Ids(length, 2));
        int[][] sequences = [first, second, first, first, second];
        using var session = model.StartDecoding([.. sequences.Select(ids => (ReadOnlyMemory<int>)ids)], 4);
        for (var step = 0; step < 4; step++)
        {
            for (var s = 0; s < sequences.Length; s++)
            {
                if (step > 1 && s == 0) continue; // retired: the others keep what they share with it
                using var alone = model.StartDecoding([sequences[s]], 0);
                NumberAssert.AreClose(Doubles(alone.Logits(0).ToArray()), session.Logits(s).ToArray(), 1e-5, $"step {step}, sequence {s}");
            }
            int[] next = [.. sequences.Select((_, s) => step >= 1 && s == 0 ? -1 : (7 * step + 3 * s + 1) % TinyModels.Configuration.VocabularySize)];
            session.Append(next);
            sequences = [.. sequences.Zip(next, (ids, id) => id < 0 ? ids : [.. ids, id])];
        }

        int[] Ids(int count, int seed) => [.. Enumerable.Range(0, count).Select(i => (seed * i + i * i) % TinyModels.Configuration.VocabularySize)];
    }

    [TestMethod]
    [DataRow(HeadPlace.OwnHead)]
    [DataRow(HeadPlace.EqualHead)]
    [DataRow(HeadPlace.HeadAlone)]
    [DataRow(HeadPlace.EmbeddingAlone)]
    [DataRow(HeadPlace.Untied)]
    public void Load_OutputLayer_IsThatOfTheFilesAndSurvivesTrainingAndCopying(HeadPlace place)
    {
        using var tied = TinyModels.Create();
        using var untied = HeadFolder.Create(tied, HeadPlace.Untied);
        using var folder = HeadFolder.Create(tied, place);
        var (batch, isTied) = (Batch(20), place is not (HeadPlace.OwnHead or HeadPlace.Untied));
        Assert.AreEqual(isTied, folder.Configuration.TieWordEmbeddings);
        using var expected = Load(isTied ? tied : untied, TrainableWeights.All);
        using var model = Load(folder, TrainableWeights.All);
        CollectionAssert.AreEqual(expected.Score(batch)[0].LogProbabilities, model.Score(batch)[0].LogProbabilities);

        Step(model, batch);
        var weights = model.Export(ModelState.Weights).ToDictionary(tensor => tensor.Name, tensor => tensor.Values);
        var copy = TinyModels.NewFolder();
        ModelFolderWriter.Copy(copy, folder, tensor => weights[tensor.Name]);
        using var copied = ModelFolder.Open(copy);
        Assert.AreEqual(isTied, copied.Configuration.TieWordEmbeddings);
        Assert.AreEqual(isTied, ModelConfiguration.Load(copy).TieWordEmbeddings, "config.json says what the files hold");
        using var read = Load(copied, TrainableWeights.None);
        CollectionAssert.AreEqual(model.Score(batch)[0].LogProbabilities, read.Score(batch)[0].LogProbabilities);
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
    public void Adapter_ExportedAndLoadedForInference_ScoresAlike_AndCannotBeTrained()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        var batch = Batch(12, 9);
        Step(model, batch);
        var adapter = new LoraAdapter(model.Lora!, model.Export(ModelState.Weights));
        using var loaded = Engine.Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        CollectionAssert.AreEqual(model.Score(batch)[1].LogProbabilities, loaded.Score(batch)[1].LogProbabilities);
        AreClose(adapter.Factors, loaded.Export(ModelState.Weights), 0);
        Assert.ThrowsExactly<InvalidOperationException>(() => loaded.Forward(batch));
    }

    /// <summary>Every kind of adapter, by the name of its data row, and whether the model has an output layer of its own.</summary>
    public static IEnumerable<object[]> Kinds =>
    [
        ["DoRA", Lora with { UseDora = true }, true],
        ["DoRA with rsLoRA", Lora with { UseDora = true, UseRankStabilizedScaling = true }, true],
        ["bias of B", Lora with { LoraBias = true }, true],
        ["biases of adapted layers", Lora with { Bias = TrainedBiases.LoraOnly }, true],
        ["all biases and no other layer below", Lora with { Bias = TrainedBiases.All, Layers = [1] }, true],
        ["whole output layer", Lora with { ModulesToSave = ["lm_head"] }, true],
        ["whole embedding", Lora with { ModulesToSave = ["embed_tokens"], Layers = [1] }, true],
        ["both whole", Lora with { ModulesToSave = ["embed_tokens", "lm_head"] }, false],
        ["output layer alone", Lora with { TargetModules = ["lm_head"] }, false],
        ["embedding alone", Lora with { TargetModules = ["embed_tokens"] }, true],
        ["embedding and output layer", Lora with { TargetModules = ["embed_tokens", "lm_head", "v_proj"] }, false],
    ];

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Adapter_EveryKind_TrainsInMicroBatchesDecodesAndIsLoadedAlike(string kind, LoraConfiguration lora, bool tied)
    {
        using var folder = TinyModels.Create(1, TinyModels.Configuration with
        {
            ModelType = "llama", QueryKeyNorm = false, QkvBias = true, OutputBias = true, TieWordEmbeddings = tied,
        });
        using var whole = Load(folder, lora: lora);
        using var split = Load(folder, lora: lora);
        var batch = Batch(9, 30, 4, 12, 21);
        var losses = Enumerable.Range(0, 3).Select(_ => Step(whole, batch)).ToArray();
        Assert.IsLessThan(losses[0], losses[2], kind);
        split.Import(ModelState.Weights, whole.Export(ModelState.Weights));
        split.Import(ModelState.Optimizer, whole.Export(ModelState.Optimizer));
        Backward(whole, batch);
        foreach (var part in (TokenSequence[][])[batch[2..], batch[..1], batch[1..2]]) Backward(split, part);
        var gradients = whole.Export(ModelState.Gradients);
        foreach (var gradient in gradients) Assert.IsGreaterThan(0, gradient.Values.Max(Math.Abs), $"{kind}: {gradient.Name}");
        AreClose(gradients, split.Export(ModelState.Gradients), 1e-4, floor: 1e-3);
        whole.ClearGradients();

        var path = TinyModels.NewFolder();
        new LoraAdapter(whole.Lora!, whole.Export(ModelState.Weights)).Save(path);
        using var loaded = Engine.Load(new ModelLoadOptions { Folder = folder, Adapter = LoraAdapter.Load(path) });
        var scores = whole.Score(batch)[1].LogProbabilities;
        NumberAssert.AreClose(Doubles(scores), loaded.Score(batch)[1].LogProbabilities, 1e-6, kind);
        using var session = loaded.StartDecoding([batch[1].Tokens[..batch[1].PromptLength]], 4);
        for (var i = 0; i < 4; i++)
        {
            var (logits, target) = (session.Logits(0).ToArray(), batch[1].Tokens.Span[batch[1].PromptLength + i]);
            Assert.AreEqual(scores[i], logits[target] - Math.Log(logits.Sum(z => Math.Exp(z))), 1e-4, $"{kind}: token {i}");
            session.Append([target]);
        }
    }

    /// <summary>Without a gradient, a step is the decay alone.</summary>
    [TestMethod]
    public void ApplyGradients_WeightDecay_LeavesNormsAndBiasesAlone()
    {
        using var folder = TinyModels.Create(1, TinyModels.Configuration with
        {
            ModelType = "llama", QueryKeyNorm = false, QkvBias = true, OutputBias = true,
        });
        using var model = Load(folder, TrainableWeights.All);
        List<NamedTensor> before =
            [.. model.Export(ModelState.Weights).Select(tensor => tensor with { Values = [.. tensor.Values.Select(value => value + 0.5f)] })];
        model.Import(ModelState.Weights, before);
        Assert.AreEqual(0, model.ApplyGradients(new AdamWOptions { WeightDecay = 0.5 }, 0.1));
        foreach (var (was, now) in before.Zip(model.Export(ModelState.Weights)))
        {
            var kept = was.Name.EndsWith("norm.weight", StringComparison.Ordinal) || was.Name.EndsWith(".bias", StringComparison.Ordinal);
            NumberAssert.AreClose([.. was.Values.Select(value => value * (kept ? 1 : 0.95))], now.Values, 1e-6, was.Name);
        }
    }

    [TestMethod]
    [DynamicData(nameof(EngineRefusals.BadInput), typeof(EngineRefusals))]
    public void Call_BadInput_IsRefusedWithItsMessage(Action<ICausalLanguageModel> action, string message)
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => action(model)).Message);
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

    private ICausalLanguageModel Load(ModelFolder folder, TrainableWeights trainable = TrainableWeights.Lora, LoraConfiguration? lora = null) =>
        Engine.Load(new ModelLoadOptions { Folder = folder, Trainable = trainable, Lora = lora ?? Lora });
}
