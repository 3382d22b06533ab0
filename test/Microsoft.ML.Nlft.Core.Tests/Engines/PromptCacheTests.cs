using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;
using static Microsoft.ML.Nlft.Tests.Engines.AlikeSequences;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Prompts that begin like earlier ones: fewer tokens are computed, and every bit is that of a model that keeps nothing.</summary>
[TestClass]
public sealed class PromptCacheTests
{
    /// <summary>Reads prompts and continues each by three tokens; returns all logits, and how many tokens were kept.</summary>
    private static (float[][] Logits, int[] Cached) Read(ICausalLanguageModel model, params int[][] prompts)
    {
        using var session = model.StartDecoding([.. prompts.Select(ids => (ReadOnlyMemory<int>)ids)], 3);
        var logits = new List<float[]>();
        for (var step = 0; ; step++)
        {
            for (var s = 0; s < session.Count; s++) logits.Add(session.Logits(s).ToArray());
            if (step == 3) return ([.. logits], [.. prompts.Select((_, s) => session.CachedTokens(s))]);
            session.Append([.. prompts.Select((_, s) => (step + s) % 23)]);
        }
    }

    private static void AssertSame(float[][] expected, float[][] actual, string place)
    {
        for (var i = 0; i < expected.Length; i++) CollectionAssert.AreEqual(expected[i], actual[i], $"{place}, logits {i}");
    }

    [TestMethod]
    [DynamicData(nameof(ModelsAndWeights), typeof(AlikeSequences))]
    public void StartDecoding_NextTurns_HaveTheBitsOfWholePrompts(string name, int scale, string weights)
    {
        using var folder = Create(name);
        var options = Options(weights);
        using var keeping = Load(folder, options);
        using var forgetting = Load(folder, options with { PromptCacheMemory = 0 });
        int[] first = Ids(9 * scale, 1), second = [.. first, .. Ids(7 * scale, 2)], third = [.. second, .. Ids(8 * scale, 4)];
        // A turn; the next two; the same again; another end of the first; one that is kept whole and more.
        int[][] turns = [first, second, third, third, [.. first, .. Ids(3 * scale, 8)], [.. second[..(10 * scale)]]];
        for (var turn = 0; turn < turns.Length; turn++)
        {
            var (expected, none) = Read(forgetting, turns[turn]);
            var (actual, cached) = Read(keeping, turns[turn]);
            AssertSame(expected, actual, $"turn {turn}");
            Assert.AreEqual(0, none[0]);
            Assert.AreEqual(CommonWithEarlier(turn), cached[0], $"turn {turn}");
        }

        int CommonWithEarlier(int turn) => IsAlone(turns[turn]) ? 0 : turns[..turn].Where(earlier => !IsAlone(earlier))
            .Max(earlier => (int?)Math.Min(earlier.AsSpan().CommonPrefixLength(turns[turn]), turns[turn].Length - 1)) ?? 0;

        bool IsAlone(int[] tokens) => RopeFrequencies.DependOnLength(folder.Configuration, tokens.Length);
    }

    /// <summary>Whole pages are shared and others copied: every place of the end in a page, next to its borders.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(63)]
    [DataRow(64)]
    [DataRow(65)]
    [DataRow(127)]
    [DataRow(128)]
    [DataRow(150)]
    public void StartDecoding_CommonBeginningOfAnyLength_HasTheBitsOfAWholePrompt(int common)
    {
        using var folder = TestKit.TinyModels.Create(3, Plain);
        using var keeping = Load(folder);
        using var forgetting = Load(folder, new() { PromptCacheMemory = 0 });
        int[] prompt = Ids(180, 1), other = [.. prompt[..common], (prompt[common] + 1) % 23, .. Ids(20, 5)];
        Read(keeping, prompt);
        var (actual, cached) = Read(keeping, other);
        Assert.AreEqual(common, cached[0]);
        AssertSame(Read(forgetting, other).Logits, actual, "the other end");
        (actual, cached) = Read(keeping, prompt);
        Assert.AreEqual(prompt.Length - 1, cached[0]);
        AssertSame(Read(forgetting, prompt).Logits, actual, "the first end, as it was kept");
    }

    [TestMethod]
    public void StartDecoding_BatchOfKeptAndNewPrompts_HasTheBitsOfEachAlone()
    {
        using var folder = TestKit.TinyModels.Create(3, Plain);
        using var keeping = Load(folder);
        using var forgetting = Load(folder, new() { PromptCacheMemory = 0 });
        int[] system = Ids(70, 1), question = [.. system, .. Ids(30, 2)];
        Read(keeping, system);
        // Two go on from the kept one and share 30 tokens more; one is new; one is asked twice.
        int[][] batch = [[.. question, 1, 2], Ids(40, 9), [.. question, 5], [.. system, 4], [.. system, 4]];
        var (actual, cached) = Read(keeping, batch);
        CollectionAssert.AreEqual(new[] { 70, 0, 70, 70, 70 }, cached);
        AssertSame(Read(forgetting, batch).Logits, actual, "the batch");
        CollectionAssert.AreEqual(new[] { 101, 39, 100, 70, 70 }, Read(keeping, batch).Cached);
    }

    /// <summary>Two answers grow from one kept prompt by turns, and what is kept stays as it was.</summary>
    [TestMethod]
    public void Append_SessionsOfOnePrompt_DoNotTouchEachOther()
    {
        using var folder = TestKit.TinyModels.Create(3, Plain);
        using var keeping = Load(folder);
        using var forgetting = Load(folder, new() { PromptCacheMemory = 0 });
        var prompt = Ids(90, 1);
        IDecodingSession Start(ICausalLanguageModel model) => model.StartDecoding([prompt], 80);
        using IDecodingSession one = Start(keeping), two = Start(keeping), alone = Start(forgetting), other = Start(forgetting);
        for (var step = 0; step < 70; step++)
        {
            one.Append([step % 23]);
            alone.Append([step % 23]);
            two.Append([(step * 7 + 1) % 23]);
            other.Append([(step * 7 + 1) % 23]);
            CollectionAssert.AreEqual(alone.Logits(0).ToArray(), one.Logits(0).ToArray());
            CollectionAssert.AreEqual(other.Logits(0).ToArray(), two.Logits(0).ToArray());
        }
        one.Dispose();
        AssertSame(Read(forgetting, prompt).Logits, Read(keeping, prompt).Logits, "the prompt again");
    }

    [TestMethod]
    public void ApplyGradientsAndImport_OtherWeights_ForgetPrompts()
    {
        using var folder = TestKit.TinyModels.Create(3, Plain);
        using var model = Load(folder, trainable: TrainableWeights.Lora);
        int[] prompt = Ids(40, 1), next = [.. prompt, 3];
        Read(model, prompt);
        using (var pass = model.Forward([new(next, 30)])) pass.Backward([new float[11].Select((_, i) => 0.1f * i).ToArray()]);
        Assert.AreEqual(40, Read(model, next).Cached[0], "no weight has changed");
        model.ApplyGradients(new(), 0.01);
        var (actual, cached) = Read(model, next);
        Assert.AreEqual(0, cached[0]);
        var weights = model.Export(ModelState.Weights);
        Assert.AreEqual(40, Read(model, next).Cached[0]);
        model.Import(ModelState.Weights, weights);
        Assert.AreEqual(0, Read(model, next).Cached[0]);
        using var forgetting = Load(folder, new() { PromptCacheMemory = 0 }, TrainableWeights.Lora);
        forgetting.Import(ModelState.Weights, weights);
        AssertSame(Read(forgetting, next).Logits, actual, "after the step");
    }

    /// <summary>Beyond the original length, rotation by these rules depends on the number of tokens: nothing is kept there.</summary>
    [TestMethod]
    public void StartDecoding_RotationThatDependsOnLength_KeepsShortPromptsOnly()
    {
        var dynamic = Plain with { Rope = Plain.Rope with { Type = "dynamic", Factor = 2, OriginalMaximumPositions = 50 } };
        using var folder = TestKit.TinyModels.Create(3, dynamic);
        using var keeping = Load(folder);
        using var forgetting = Load(folder, new() { PromptCacheMemory = 0 });
        int[][] turns = [Ids(20, 1), Ids(30, 1), Ids(60, 1), Ids(70, 1), Ids(45, 1)];
        int[] kept = [0, 20, 0, 0, 30];
        for (var turn = 0; turn < turns.Length; turn++)
        {
            var (actual, cached) = Read(keeping, turns[turn]);
            Assert.AreEqual(kept[turn], cached[0], $"turn {turn}");
            AssertSame(Read(forgetting, turns[turn]).Logits, actual, $"turn {turn}");
        }
        var (together, both) = Read(keeping, Ids(45, 1), Ids(60, 1));
        CollectionAssert.AreEqual(new[] { 44, 0 }, both);
        AssertSame(Read(forgetting, Ids(45, 1), Ids(60, 1)).Logits, together, "a short and a long one");
    }

    /// <summary>A cache of one page per layer takes as many bytes as two prompts of up to 64 tokens; those used longest ago go.</summary>
    [TestMethod]
    public void Keep_MoreThanTheMemory_ForgetsThoseUsedLongestAgo()
    {
        using var probe = new KeyValueCache(Plain, new Workspace());
        for (var layer = 0; layer < Plain.LayerCount; layer++) probe.Extend(layer, 1);
        using var folder = TestKit.TinyModels.Create(3, Plain);
        using var model = Load(folder, new() { PromptCacheMemory = 2 * probe.Bytes });
        int Cached(int seed, int count = 20) => Read(model, [seed, .. Ids(count, seed)]).Cached[0];
        Assert.AreEqual(0, Cached(1));
        Assert.AreEqual(0, Cached(2));
        Assert.AreEqual(20, Cached(1));
        Assert.AreEqual(0, Cached(3), "2 goes");
        Assert.AreEqual(20, Cached(1));
        Assert.AreEqual(0, Cached(2), "3 goes");
        Assert.AreEqual(20, Cached(1));
        Assert.AreEqual(21, Cached(1, 100), "it takes the place of its beginning, and of 2");
        Assert.AreEqual(0, Cached(2), "both places are needed for 1");
        Assert.AreEqual(0, Cached(4, 150), "three pages have no room");
        Assert.AreEqual(0, Cached(4, 150));
        Assert.AreEqual(20, Cached(2), "nothing went for it");
    }

    [TestMethod]
    public void Keep_ManyPrompts_KeepsTheLast64()
    {
        using var folder = TestKit.TinyModels.Create(3, Plain with { VocabularySize = 100 });
        using var model = Load(folder);
        int[] Prompt(int number) => [number, 5, 5, 5, 5];
        for (var i = 0; i < 70; i++) Read(model, Prompt(i));
        Assert.AreEqual(4, Read(model, Prompt(69)).Cached[0]);
        Assert.AreEqual(4, Read(model, Prompt(6)).Cached[0]);
        Assert.AreEqual(0, Read(model, Prompt(5)).Cached[0]);
    }

    /// <summary>A prompt that is refused or cancelled leaves what is kept as it was, and nothing of its own.</summary>
    [TestMethod]
    public void StartDecoding_RefusedOrCancelled_KeepsWhatWasKept()
    {
        using var folder = TestKit.TinyModels.Create(3, Plain);
        using var keeping = Load(folder);
        using var forgetting = Load(folder, new() { PromptCacheMemory = 0 });
        int[] prompt = Ids(70, 1), next = [.. prompt, .. Ids(30, 2)];
        Read(keeping, prompt);
        foreach (var bad in (int[][])[[], [.. prompt, Plain.VocabularySize], [.. prompt, -1], new int[500]])
            Assert.ThrowsExactly<NlftException>(() => keeping.StartDecoding([bad], 1));
        Assert.Throws<OperationCanceledException>(() => keeping.StartDecoding([next], 1, new CancellationToken(canceled: true)));
        var (actual, cached) = Read(keeping, next);
        Assert.AreEqual(70, cached[0]);
        AssertSame(Read(forgetting, next).Logits, actual, "after the refusals");
    }

    [TestMethod]
    public void Load_NegativeMemory_IsRefused()
    {
        var refused = Assert.ThrowsExactly<NlftException>(() => new ManagedEngine(new ManagedEngineOptions { PromptCacheMemory = -1 }));
        StringAssert.Contains(refused.Message, "PromptCacheMemory");
        StringAssert.Contains(refused.Message, "-1");
    }

    /// <summary>Rows that are computed: those beyond the cache, or beyond what a neighbour computes.</summary>
    [TestMethod]
    public void Of_CachedBeginnings_ComputesTheRestOnce()
    {
        KeyValueCache Cache(int length)
        {
            var cache = new KeyValueCache(Plain, new Workspace());
            for (var layer = 0; layer < Plain.LayerCount; layer++) cache.Extend(layer, length);
            return cache;
        }
        int[] system = Ids(70, 1), question = [.. system, .. Ids(30, 2)];
        int[][] sequences = [[.. question, 1, 2], [.. question, 5], [.. system, 9]];
        var whole = PackedBatch.Create([.. sequences.Select(ids => (ReadOnlyMemory<int>)ids)], Plain);
        KeyValueCache[] caches = [Cache(70), Cache(70), Cache(60)];
        var shared = SharedBeginnings.Of(whole, [101, 100, 70], Plain, caches)!;
        Assert.AreEqual(32 + 1 + 1, shared.Own.Rows);
        Assert.AreEqual(1, SharedBeginnings.Of(PackedBatch.Create([question], Plain), [99], Plain, [Cache(99)])!.Own.Rows);
        Assert.IsNull(SharedBeginnings.Of(PackedBatch.Create([question], Plain), [99], Plain, [Cache(0)]));
        foreach (var cache in caches) cache.Dispose();
    }
}
