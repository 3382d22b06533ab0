using System.Text.Json;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tests.Generation;

[TestClass]
public sealed class PromptLookupTests
{
    private readonly ByteModelFolder _folder = new(maximumPositions: 256);

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    [DataRow("1 2 3 4 1 2", 2, "3 4")]
    [DataRow("1 2 3 9 2 3 4 1 2 3", 1, "9", DisplayName = "three tokens before two")]
    [DataRow("1 2 3 1 2 4 1 2", 1, "4", DisplayName = "the last occurrence")]
    [DataRow("5 1 2 1 2", 5, "1 2 1 2 1", DisplayName = "a repetition goes on")]
    [DataRow("7 7 7", 4, "7 7 7 7")]
    [DataRow("1 2 3", 4, "")]
    [DataRow("1 1", 4, "", DisplayName = "their only occurrence is the last")]
    [DataRow("1", 4, "")]
    [DataRow("", 4, "")]
    [DataRow("1 2 1 2", 0, "")]
    public void Guess_IsWhatFollowedTheLastTokens(string tokens, int count, string expected)
    {
        var guess = new PromptLookup(Numbers(tokens)).Guess(count);
        CollectionAssert.AreEqual(Numbers(expected), guess);

        static int[] Numbers(string text) => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
    }

    [TestMethod]
    public void Guess_RandomSequences_MatchASearch()
    {
        var random = new Random(5);
        for (var round = 0; round < 300; round++)
        {
            var tokens = new List<int>();
            var lookup = new PromptLookup([]);
            for (var i = random.Next(40); i >= 0; i--)
            {
                tokens.Add(random.Next(1 + (round % 5)));
                lookup.Add(tokens[^1]);
            }
            CollectionAssert.AreEqual(Search(tokens, 6), lookup.Guess(6), string.Join(' ', tokens));
        }

        static int[] Search(List<int> tokens, int count)
        {
            for (var length = 3; length >= 2; length--)
            {
                for (var end = tokens.Count - 1; end >= length; end--) // the n-gram is [end - length, end)
                {
                    if (!tokens[(end - length)..end].SequenceEqual(tokens[^length..])) continue;
                    var all = new List<int>(tokens);
                    for (var i = 0; i < count; i++) all.Add(all[end + i]);
                    return [.. all[tokens.Count..]];
                }
            }
            return [];
        }
    }

    public static IEnumerable<object[]> Options =>
    [
        .. new GenerationOptions[]
        {
            new(), new() { Temperature = 0.2 }, new() { Temperature = 1, TopK = 3, Seed = 7 }, new() { RepetitionPenalty = 1.3 },
            new() { FrequencyPenalty = 0.4, PresencePenalty = 0.1, Temperature = 0.5 }, new() { LogProbabilities = true, TopLogProbabilities = 2 },
            new() { JsonSchema = JsonElement.Parse("{ \"type\": \"array\", \"items\": { \"enum\": [\"abcabc\", 11] } }") },
            new() { MaximumNewTokens = 1 }, new() { MaximumNewTokens = 2 }, new() { MaximumNewTokens = 500 },
        }.SelectMany(options => new[] { 1, 4, 64 }.Select(most => new object[] { options, most })),
    ];

    /// <summary>Right guesses save passes and change nothing: tokens, texts and log-probabilities are those without.</summary>
    [TestMethod]
    [DynamicData(nameof(Options))]
    public async Task Generate_WithGuesses_GivesTheSameAnswerInFewerPasses(GenerationOptions options, int most)
    {
        options = options.MaximumNewTokens == new GenerationOptions().MaximumNewTokens ? options with { MaximumNewTokens = 100 } : options;
        using var local = LocalModel.Load(_folder.Path);
        var counting = new CountingModel(local.Network);
        var generator = new TextGenerator(counting, local.Tokenizer, [ByteModelFolder.EndOfTurn]);
        int guessed = 0, passes = 0;
        foreach (var text in (string[])["abcabcabc", "one two one two one", "x", "11 + 11 = 11 + 11"])
        {
            var prompt = local.Tokenizer.Encode(text, addSpecialTokens: false);
            var expected = generator.Generate([prompt], options)[0];
            Assert.AreEqual(0, expected.GuessedTokens);
            counting.Passes = 0;
            var actual = generator.Generate([prompt], options with { PromptLookupTokens = most })[0];
            passes += counting.Passes;
            AssertSame(expected, actual);
            Assert.AreEqual(actual.Tokens.Count - 1, counting.Passes + actual.GuessedTokens);
            guessed += actual.GuessedTokens;

            GeneratedText? streamed = null;
            var written = "";
            await foreach (var part in generator.GenerateStreaming(prompt, options with { PromptLookupTokens = most }, end => streamed = end))
                written += part;
            AssertSame(expected, streamed!);
            Assert.AreEqual(expected.Text, written);
        }
        if (options.MaximumNewTokens < 3) Assert.AreEqual(0, guessed, "there is no pass to save");
        if (options.MaximumNewTokens == 500) Assert.IsGreaterThan(passes / 2, guessed, "greedy answers of random weights repeat");
    }

    [TestMethod]
    public void Generate_SeveralAnswersAtATime_DoesNotGuess()
    {
        using var model = LocalModel.Load(_folder.Path);
        var options = new GenerationOptions { MaximumNewTokens = 60, PromptLookupTokens = 8 };
        string[] questions = ["aaaa", "abab", "aaab"];
        var together = model.Answer(questions, options);
        var alone = model.Answer(questions, options with { MaximumBatchSize = 1 });
        for (var i = 0; i < questions.Length; i++)
        {
            AssertSame(together[i], alone[i]);
            Assert.AreEqual(0, together[i].GuessedTokens);
        }
        Assert.IsGreaterThan(0, alone.Sum(answer => answer.GuessedTokens));
    }

    [TestMethod]
    [DataRow(-1)]
    [DataRow(65)]
    public void Generate_OptionOutOfRange_IsRefused(int most)
    {
        using var model = LocalModel.Load(_folder.Path);
        var refusal = Assert.ThrowsExactly<NlftException>(() => model.Answer(["a"], new() { PromptLookupTokens = most }));
        Assert.AreEqual($"option PromptLookupTokens: found {most}; expected 0 to 64. Use 0 to guess none, or about 10 for answers that quote "
            + "their prompt.", refusal.Message);
    }

    private static void AssertSame(GeneratedText expected, GeneratedText actual)
    {
        CollectionAssert.AreEqual(expected.Tokens.ToArray(), actual.Tokens.ToArray());
        Assert.AreEqual((expected.Text, expected.FinishReason), (actual.Text, actual.FinishReason));
        CollectionAssert.AreEqual(expected.LogProbabilities?.ToArray(), actual.LogProbabilities?.ToArray());
        CollectionAssert.AreEqual(expected.TopLogProbabilities?.SelectMany(top => top).ToArray(),
            actual.TopLogProbabilities?.SelectMany(top => top).ToArray());
    }

    /// <summary>Counts the passes of decoding.</summary>
    private sealed class CountingModel(ICausalLanguageModel model) : PassingModel(model)
    {
        public int Passes { get; set; }

        public override IDecodingSession StartDecoding(
            IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens, CancellationToken cancellationToken = default) =>
            new Session(this, (IDraftingSession)base.StartDecoding(prompts, maximumNewTokens, cancellationToken));

        private sealed class Session(CountingModel owner, IDraftingSession session) : IDraftingSession
        {
            public int Count => session.Count;

            public int MaximumDraft => session.MaximumDraft;

            public ReadOnlySpan<float> Logits(int sequence) => session.Logits(sequence);

            public ReadOnlySpan<float> DraftLogits(int tokens) => session.DraftLogits(tokens);

            public void Forget(int tokens) => session.Forget(tokens);

            public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default)
            {
                owner.Passes++;
                session.Append(tokens, cancellationToken);
            }

            public void Append(int token, ReadOnlySpan<int> draft, CancellationToken cancellationToken = default)
            {
                owner.Passes++;
                session.Append(token, draft, cancellationToken);
            }

            public void Dispose() => session.Dispose();
        }
    }
}
