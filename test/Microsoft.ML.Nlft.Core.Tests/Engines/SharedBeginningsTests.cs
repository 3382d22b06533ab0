using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;
using static Microsoft.ML.Nlft.Tests.Engines.AlikeSequences;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Sequences that begin alike: fewer rows are computed, and every bit is that of a sequence alone.</summary>
[TestClass]
public sealed class SharedBeginningsTests
{
    private static SharedBeginnings? Of(int[][] sequences, int[]? most = null, ModelConfiguration? configuration = null) => SharedBeginnings.Of(
        PackedBatch.Create([.. sequences.Select(ids => (ReadOnlyMemory<int>)ids)], configuration ?? Plain),
        most ?? [.. sequences.Select(ids => ids.Length - 1)], configuration ?? Plain);

    [TestMethod]
    public void Of_CommonBeginnings_ComputesEachOnce()
    {
        int[] system = Ids(20, 1), question = [.. system, .. Ids(10, 2)];
        int[][] sequences = [[.. question, 5, 6], [.. system, 7], [.. question, 5, 9, 8], [1, 2, 3], [.. question]];
        var own = Of(sequences)!.Own;
        // The question alone sorts first and gives its 30 rows; then 2 and 2 beyond it, 1 beyond the system prompt, and 3.
        Assert.AreEqual(30 + 2 + 2 + 1 + 3, own.Rows);
        for (var s = 0; s < sequences.Length; s++)
        {
            CollectionAssert.AreEqual(sequences[s][^own.Length(s)..], own.Tokens[own.Starts[s]..own.Starts[s + 1]]);
            Assert.AreEqual(sequences[s].Length - 1, own.Positions[own.Starts[s + 1] - 1]);
        }
        Assert.AreEqual(30 + 11 + 3, Of([question, question, [1, 2, 3]], [19, 19, 2])!.Own.Rows, "at most 19 positions are shared");
    }

    [TestMethod]
    public void Of_NothingInCommon_IsNull()
    {
        Assert.IsNull(Of([Ids(9, 1)]));
        Assert.IsNull(Of([[1, 2], [2, 1], [3]]));
        Assert.IsNull(Of([[1, 2], [1, 3]], [0, 0]));
        var dynamic = Plain with { Rope = Plain.Rope with { Type = "dynamic", Factor = 2, OriginalMaximumPositions = 4 }, MaximumPositions = 64 };
        Assert.IsNull(Of([Ids(9, 1), Ids(9, 1)], configuration: dynamic), "a longer sequence rotates its first tokens otherwise");
    }

    public static IEnumerable<object[]> AllModels => Models.Select(model => new object[] { model.Name, model.Scale });

    [TestMethod]
    [DynamicData(nameof(AllModels))]
    public void Score_SequencesThatBeginAlike_HaveTheBitsOfEachAlone(string name, int scale)
    {
        using var folder = Create(name);
        using var model = new ManagedEngine(2).Load(new() { Folder = folder, Trainable = TrainableWeights.Lora });
        int[] question = Ids(14 * scale, 1), judged = [.. question, .. Ids(4 * scale, 4)], response = Ids(6 * scale, 7);
        TokenSequence[] batch =
        [
            new((int[])[.. question, .. response], question.Length), new((int[])[.. judged, .. response], judged.Length),
            new((int[])[.. question, .. Ids(9 * scale, 9)], question.Length), new((int[])[.. question, .. response[..5], 1], question.Length),
        ];
        var together = model.Score(batch, hiddenStates: true);
        for (var s = 0; s < batch.Length; s++)
        {
            var alone = model.Score([batch[s]], hiddenStates: true)[0];
            CollectionAssert.AreEqual(alone.LogProbabilities.ToArray(), together[s].LogProbabilities.ToArray(), $"sequence {s}");
            CollectionAssert.AreEqual(alone.HiddenStates.ToArray(), together[s].HiddenStates.ToArray());
        }
    }

    [TestMethod]
    [DynamicData(nameof(AllModels))]
    public void StartDecoding_PromptsThatBeginAlike_GiveTheBitsOfEachAlone(string name, int scale)
    {
        using var folder = Create(name);
        using var model = new ManagedEngine(2).Load(new() { Folder = folder, Trainable = TrainableWeights.None });
        var system = Ids(13 * scale, 1);
        int[][] prompts = [[.. system, 3], [.. system, 4, 5, 6], [.. system], [9, 9], [.. system, 3, 3]];
        using var together = model.StartDecoding([.. prompts.Select(ids => (ReadOnlyMemory<int>)ids)], 2);
        var alone = prompts.Select(ids => model.StartDecoding([ids], 2)).ToArray();
        for (var step = 0; step < 2; step++)
        {
            for (var s = 0; s < prompts.Length; s++)
                CollectionAssert.AreEqual(alone[s].Logits(0).ToArray(), together.Logits(s).ToArray(), $"step {step}, prompt {s}");
            together.Append([.. Enumerable.Range(1, prompts.Length)]);
            for (var s = 0; s < prompts.Length; s++) alone[s].Append([s + 1]);
        }
        foreach (var session in alone) session.Dispose();
    }
}
