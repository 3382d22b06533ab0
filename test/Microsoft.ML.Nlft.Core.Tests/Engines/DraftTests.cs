using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using static Microsoft.ML.Nlft.Tests.Engines.AlikeSequences;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Tokens that are appended with a draft of those after them: every bit is that of tokens appended one by one.</summary>
[TestClass]
public sealed class DraftTests
{
    private static IDraftingSession Start(ICausalLanguageModel model, params int[][] prompts) =>
        (IDraftingSession)model.StartDecoding([.. prompts.Select(ids => (ReadOnlyMemory<int>)ids)], 300);

    [TestMethod]
    [DynamicData(nameof(ModelsAndWeights), typeof(AlikeSequences))]
    public void Append_RightAndWrongDrafts_HasTheBitsOfTokensOneByOne(string name, int scale, string weights)
    {
        using var folder = Create(name);
        using var model = Load(folder, Options(weights));
        int[] prompt = Ids(4 * scale, 1), answer = Ids(20 * scale, 2); // longrope changes its frequencies at 7 tokens
        using IDraftingSession oneByOne = Start(model, prompt), drafted = Start(model, prompt);
        var logits = new List<float[]>();
        foreach (var token in answer)
        {
            oneByOne.Append([token]);
            logits.Add(oneByOne.Logits(0).ToArray());
        }
        var random = new Random(scale);
        int passes = 0, next = 0;
        while (next < answer.Length)
        {
            var right = Math.Min(random.Next(5), Math.Min(drafted.MaximumDraft, answer.Length - 1 - next));
            var wrong = Math.Min(random.Next(3), drafted.MaximumDraft - right);
            int[] draft = [.. answer.AsSpan(next + 1, right), .. Enumerable.Range(0, wrong).Select(_ => random.Next(23))];
            drafted.Append(answer[next], draft);
            for (var i = 0; i <= right; i++) CollectionAssert.AreEqual(logits[next + i], drafted.DraftLogits(i).ToArray(), $"token {next + i}");
            drafted.Forget(wrong);
            next += 1 + right;
            passes++;
        }
        if (RopeFrequencies.DependOnLength(folder.Configuration, folder.Configuration.MaximumPositions)) Assert.AreEqual(answer.Length, passes);
        else Assert.IsLessThan(answer.Length, passes);
    }

    [TestMethod]
    public void MaximumDraft_LeavesRoomForTheTokenAndIsZeroForSeveralSequences()
    {
        using var folder = TestKit.TinyModels.Create(3, Plain with { MaximumPositions = 40 });
        using var model = Load(folder);
        using var one = Start(model, Ids(30, 1));
        Assert.AreEqual(9, one.MaximumDraft);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => one.Append(1, new int[10]));
        one.Append(1, Ids(9, 2));
        Assert.AreEqual(0, one.MaximumDraft);
        Assert.ThrowsExactly<NlftException>(() => one.Append(1, []));
        one.Forget(9);
        one.Append(2, Ids(8, 2));

        using var two = Start(model, Ids(3, 1), Ids(4, 1));
        Assert.AreEqual(0, two.MaximumDraft);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => two.Append(1, [2]));
    }

    /// <summary>The prompt that the model keeps stays as it was, whatever was drafted after it.</summary>
    [TestMethod]
    [DataRow(63)]
    [DataRow(64)]
    [DataRow(65)]
    public void Append_AfterAKeptPrompt_LeavesItAsItWas(int length)
    {
        using var folder = TestKit.TinyModels.Create(3, Plain);
        using var model = Load(folder);
        using var fresh = Load(folder, new() { PromptCacheMemory = 0 });
        var prompt = Ids(length, 1);
        using (var session = Start(model, prompt))
        {
            session.Append(4, Ids(20, 3));
            session.Forget(20);
            session.Append(5, Ids(9, 4));
        }
        int[] longer = [.. prompt, 7, 8];
        using IDraftingSession kept = Start(model, longer), whole = Start(fresh, longer);
        Assert.AreEqual(length, kept.CachedTokens(0));
        CollectionAssert.AreEqual(whole.Logits(0).ToArray(), kept.Logits(0).ToArray());
    }
}
