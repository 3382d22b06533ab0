using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;
using static Microsoft.ML.Nlft.Tests.Engines.AlikeSequences;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Passes by blocks of rows: every bit is that of a pass by whole layers, which more threads than blocks take.</summary>
[TestClass]
public sealed class LayerPipelineTests
{
    private const int MoreThanBlocks = 8;

    public static IEnumerable<object[]> AllModels => Models.Select(model => new object[] { model.Name, model.Scale });

    /// <summary>About 300 rows in sequences of several lengths; with <paramref name="alike"/> some begin alike.</summary>
    private static TokenSequence[] Batch(int scale, bool alike)
    {
        var batch = new List<TokenSequence>();
        for (var (rows, seed) = (0, 1); rows < 300; rows += batch[^1].Tokens.Length, seed++)
        {
            int[] beginning = Ids(11 * scale, alike ? 1 + seed / 3 : seed), tokens = [.. beginning, .. Ids((3 + seed % 5) * scale, seed + 40)];
            batch.Add(new(tokens, beginning.Length) { DropoutSeed = (ulong)seed });
        }
        return [.. batch];
    }

    private static ManagedLanguageModel Model(ModelFolder folder, int threads, long? activationMemory = null) =>
        (ManagedLanguageModel)new ManagedEngine(new ManagedEngineOptions { Threads = threads, ActivationMemory = activationMemory })
            .Load(new() { Folder = folder, Trainable = TrainableWeights.Lora, Lora = new() { Dropout = 0.2 } });

    private static LayerPipeline? Pipeline(ManagedLanguageModel model, TokenSequence[] batch)
    {
        var rows = PackedBatch.Create([.. batch.Select(sequence => sequence.Tokens)], model.Configuration);
        return LayerPipeline.Of(model.Network, model.Context(rows, false), model.Ropes(rows), QueryRows.All(rows), null);
    }

    [TestMethod]
    [DynamicData(nameof(AllModels))]
    public void Score_ByBlocks_HasTheBitsOfWholeLayers(string name, int scale)
    {
        using var folder = Create(name);
        foreach (var alike in (bool[])[false, true])
        {
            var batch = Batch(scale, alike);
            using var whole = Model(folder, MoreThanBlocks);
            Assert.IsNull(Pipeline(whole, batch));
            var expected = whole.Score(batch, hiddenStates: true);
            foreach (var threads in (int[])[1, 2, 3])
            {
                using var model = Model(folder, threads);
                if (name is "llama" or "tiny" or "sliding") Assert.IsNotNull(Pipeline(model, batch));
                var scores = model.Score(batch, hiddenStates: true);
                for (var s = 0; s < batch.Length; s++)
                {
                    var what = $"{threads} threads, sequence {s}";
                    CollectionAssert.AreEqual(expected[s].LogProbabilities.ToArray(), scores[s].LogProbabilities.ToArray(), what);
                    CollectionAssert.AreEqual(expected[s].HiddenStates.ToArray(), scores[s].HiddenStates.ToArray(), what);
                }
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(AllModels))]
    public void Gradients_ByBlocks_HaveTheBitsOfWholeLayers(string name, int scale)
    {
        using var folder = Create(name);
        var batch = Batch(scale, alike: false);
        var expected = Gradients(MoreThanBlocks, null);
        foreach (var (threads, memory) in ((int, long?)[])[(1, null), (2, null), (2, 0), (3, 300_000)])
        {
            var gradients = Gradients(threads, memory);
            for (var i = 0; i < expected.Count; i++) CollectionAssert.AreEqual(expected[i], gradients[i], $"{threads} threads, {memory} bytes");
        }

        List<float[]> Gradients(int threads, long? memory)
        {
            using var model = Model(folder, threads, memory);
            using var pass = model.Forward(batch);
            pass.Backward([.. batch.Select(sequence => (ReadOnlyMemory<float>)Array.ConvertAll(new float[sequence.ResponseLength], _ => 0.5f))]);
            return [.. model.Export(ModelState.Gradients).Select(tensor => tensor.Values), .. pass.Scores.Select(s => s.LogProbabilities.ToArray())];
        }
    }

    [TestMethod]
    [DynamicData(nameof(AllModels))]
    public void StartDecoding_ByBlocks_HasTheBitsOfWholeLayers(string name, int scale)
    {
        using var folder = Create(name);
        foreach (var alike in (bool[])[false, true])
        {
            var expected = Logits(MoreThanBlocks, alike);
            foreach (var threads in (int[])[1, 2, 3]) CollectionAssert.AreEqual(expected, Logits(threads, alike), $"{threads} threads, {alike}");
        }

        // Of prompts, the tokens after them, and prompts whose beginnings the first ones left in the cache.
        List<float> Logits(int threads, bool alike)
        {
            using var model = Model(folder, threads);
            var (first, logits) = (Batch(scale, alike), new List<float>());
            Add([.. first.Select(sequence => sequence.Tokens[..sequence.PromptLength])]);
            Add([.. first.Select((sequence, s) =>
                (ReadOnlyMemory<int>)(int[])[.. sequence.Tokens.Span[..(sequence.PromptLength - s % 3)], .. Ids(3 * scale, s)])]);
            return logits;

            void Add(ReadOnlyMemory<int>[] prompts)
            {
                using var session = model.StartDecoding(prompts, 3);
                for (var step = 0; step < 3; step++)
                {
                    if (step > 0) session.Append(Ids(prompts.Length, step));
                    for (var s = 0; s < prompts.Length; s++) logits.AddRange(session.Logits(s));
                }
            }
        }
    }

    [TestMethod]
    public void Run_Cancelled_EndsOnAllThreads()
    {
        using var folder = Create("tiny");
        using var model = Model(folder, 3);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        var batch = Batch(5, alike: false);
        var inputs = Enumerable.Range(0, model.Network.Layers.Length + 1).Select(_ => Matrix.Zeros(400, model.Configuration.HiddenSize)).ToArray();
        using (var pipeline = Pipeline(model, batch)!)
            Assert.ThrowsExactly<OperationCanceledException>(() => pipeline.Run(inputs, new LayerActivations?[inputs.Length - 1], cancelled.Token));
        Assert.AreEqual(batch.Length, model.Score(batch).Count, "the threads are free again");
    }

    [TestMethod]
    public void Run_BlockThatFails_EndsThoseThatWaitForIt()
    {
        using var folder = Create("tiny");
        using var model = Model(folder, 3);
        var batch = Batch(5, alike: false);
        var inputs = Enumerable.Range(0, model.Network.Layers.Length + 1).Select(_ => Matrix.Zeros(400, model.Configuration.HiddenSize)).ToArray();
        inputs[0] = Matrix.Zeros(70, model.Configuration.HiddenSize); // too few rows for the second block's norm
        using (var pipeline = Pipeline(model, batch)!)
            Assert.Throws<Exception>(() => pipeline.Run(inputs, new LayerActivations?[inputs.Length - 1], default));
        Assert.AreEqual(batch.Length, model.Score(batch).Count, "the threads are free again");
    }

    [TestMethod]
    public void Of_FewRows_IsNull()
    {
        using var folder = Create("tiny");
        using var model = Model(folder, 2);
        Assert.IsNull(Pipeline(model, [new(Ids(127, 1), 100)]));
        Assert.IsNotNull(Pipeline(model, [new(Ids(128, 1), 100)]));
        using var mixture = Create("mixture");
        using var experts = Model(mixture, 2);
        Assert.IsNull(Pipeline(experts, Batch(5, alike: false)), "an expert computes its rows together");
    }
}
