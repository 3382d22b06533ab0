using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tests.Training;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Generation;

[TestClass]
public class TextGeneratorTests
{
    // Ids 0 and 1 are special tokens; 4 and 5 are the two bytes of é.
    private const string TokenizerJson = """
        {
          "added_tokens": [
            { "id": 0, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false },
            { "id": 1, "content": "</s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false }
          ],
          "normalizer": null,
          "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
          "post_processor": null,
          "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
          "model": { "type": "BPE", "vocab": { "<s>": 0, "</s>": 1, "a": 2, "b": 3, "Ã": 4, "©": 5, "Ġ": 6, "#": 7 }, "merges": [] }
        }
        """;

    private static readonly HuggingFaceTokenizer Tokenizer = LoadTokenizer();

    private static HuggingFaceTokenizer LoadTokenizer()
    {
        var folder = Directory.CreateTempSubdirectory("nlft-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "tokenizer.json"), TokenizerJson);
            return HuggingFaceTokenizer.Load(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static TextGenerator Generator(TableLanguageModel model, params int[] stopIds) => new(model, Tokenizer, stopIds);

    /// <summary>Creates a model that follows each token of the chain by the next with near certainty.</summary>
    private static TableLanguageModel Chain(params int[] tokens)
    {
        var model = new TableLanguageModel(8);
        for (var i = 0; i + 1 < tokens.Length; i++) model.Weights[tokens[i] * 8 + tokens[i + 1]] += 50;
        return model;
    }

    [TestMethod]
    public void Generate_StopToken_EndsTheAnswerAndIsNotText()
    {
        var answer = Generator(Chain(2, 3, 6, 4, 5, 1), 1).Generate([[0, 2]], new())[0];
        Assert.AreEqual("b é", answer.Text);
        CollectionAssert.AreEqual(new[] { 3, 6, 4, 5, 1 }, answer.Tokens.ToArray());
        Assert.AreEqual(2, answer.PromptTokens);
        Assert.AreEqual(FinishReason.Stop, answer.FinishReason);
    }

    [TestMethod]
    public void Generate_OrdinaryStopToken_EndsTheAnswer() =>
        Assert.AreEqual("b", Generator(Chain(2, 3, 7), 7).Generate([[0, 2]], new())[0].Text);

    [TestMethod]
    public void Generate_TokenLimitInsideACharacter_EndsWithTheReplacementCharacter()
    {
        var answer = Generator(Chain(2, 3, 6, 4, 5, 1), 1).Generate([[0, 2]], new() { MaximumNewTokens = 3 })[0];
        Assert.AreEqual("b \uFFFD", answer.Text);
        Assert.HasCount(3, answer.Tokens);
        Assert.AreEqual(FinishReason.Length, answer.FinishReason);
    }

    [TestMethod]
    public void Generate_LastPosition_EndsTheAnswer()
    {
        var model = new TableLanguageModel(8, maximumPositions: 6);
        var answers = Generator(model).Generate([[0, 2], [0, 2, 3, 2, 3]], new());
        Assert.HasCount(4, answers[0].Tokens);
        Assert.HasCount(1, answers[1].Tokens);
        Assert.IsTrue(answers.All(a => a.FinishReason == FinishReason.Length));
    }

    [TestMethod]
    [DataRow("éb", "a ")] // tokens C3, A9, b
    [DataRow(" é", "a")]
    [DataRow("###|é", "a ")]
    public void Generate_StopStringAcrossTokens_EndsTheAnswer(string stops, string expected)
    {
        var answer = Generator(Chain(0, 2, 6, 4, 5, 3, 1), 1).Generate([[0]], new() { StopStrings = stops.Split('|') })[0];
        Assert.AreEqual(expected, answer.Text);
        Assert.AreEqual(FinishReason.Stop, answer.FinishReason);
        Assert.AreNotEqual(1, answer.Tokens[^1], "it ended before the stop token");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void Generate_AnyBatchSize_GivesTheSameAnswers(int batchSize)
    {
        int[][] prompts = [[0, 2], [1, 3, 4], [2], [3, 3, 3, 5], [4, 6], [5, 7, 2], [6, 1]];
        foreach (var options in new GenerationOptions[] { new() { MaximumNewTokens = 12 }, new() { MaximumNewTokens = 12, Temperature = 1 } })
        {
            var model = new TableLanguageModel(8);
            var together = Generator(model, 1).Generate(prompts, options with { MaximumBatchSize = 100 });
            var split = Generator(model, 1).Generate(prompts, options with { MaximumBatchSize = batchSize });
            Assert.HasCount(7, split);
            for (var i = 0; i < 7; i++) CollectionAssert.AreEqual(together[i].Tokens.ToArray(), split[i].Tokens.ToArray());
            CollectionAssert.AreEqual((int[])[7, .. prompts.Chunk(batchSize).Select(c => c.Length)], model.DecodingBatches);
            Assert.IsGreaterThan(1, together.Select(a => a.Tokens.Count).Distinct().Count(), "the rows end at different times");
        }
    }

    [TestMethod]
    public void Generate_EqualPrompts_AreSampledDifferently()
    {
        var answers = Generator(new TableLanguageModel(8)).Generate([[0], [0]], new() { MaximumNewTokens = 20, Temperature = 1 });
        CollectionAssert.AreNotEqual(answers[0].Tokens.ToArray(), answers[1].Tokens.ToArray());
    }

    [TestMethod]
    public void Generate_TopLogProbabilities_ListsTheLikeliestTokensOfEveryPosition()
    {
        var model = new TableLanguageModel(8);
        foreach (var count in (int[])[1, 3, 20])
        {
            var answer = Generator(model, 1).Generate([[5, 7, 3]], new() { TopLogProbabilities = count, Temperature = 2, MaximumNewTokens = 6 })[0];
            Assert.IsNull(answer.LogProbabilities, "not asked for");
            Assert.HasCount(answer.Tokens.Count, answer.TopLogProbabilities!);
            var previous = 3;
            foreach (var (token, top) in answer.Tokens.Zip(answer.TopLogProbabilities!))
            {
                var expected = model.LogProbabilities(5, previous).Select((log, id) => (log, id))
                    .OrderByDescending(pair => pair.log).ThenBy(pair => pair.id).Take(count).ToArray();
                CollectionAssert.AreEqual(expected.Select(pair => pair.id).ToArray(), top.Select(other => other.Token).ToArray());
                foreach (var (pair, other) in expected.Zip(top)) Assert.AreEqual(pair.log, other.LogProbability, 1e-6);
                previous = token;
            }
        }
        Assert.IsNull(Generator(model, 1).Generate([[5]], new() { LogProbabilities = true, MaximumNewTokens = 2 })[0].TopLogProbabilities);
        Assert.AreEqual("option TopLogProbabilities: found 21; expected 0 to 20. Use 0 for none.",
            Assert.ThrowsExactly<NlftException>(() => Generator(model).Generate([[5]], new() { TopLogProbabilities = 21 })).Message);
    }

    [TestMethod]
    public void Generate_LogProbabilities_AreTheModelsOwnUnderAnySettings()
    {
        var model = new TableLanguageModel(8);
        var changed = new GenerationOptions { Temperature = 3, TopK = 4, RepetitionPenalty = 1.5, FrequencyPenalty = 1, StopStrings = ["#"] };
        foreach (var options in (GenerationOptions[])[new(), changed])
        {
            var answers = Generator(model, 1).Generate([[0, 2], [5, 7, 3]], options with { LogProbabilities = true, MaximumNewTokens = 12 });
            for (var row = 0; row < 2; row++)
            {
                var (context, previous) = row == 0 ? (0, 2) : (5, 3);
                Assert.HasCount(answers[row].Tokens.Count, answers[row].LogProbabilities!);
                foreach (var (token, log) in answers[row].Tokens.Zip(answers[row].LogProbabilities!))
                {
                    Assert.AreEqual(model.LogProbabilities(context, previous)[token], log, 1e-6);
                    previous = token;
                }
            }
        }
    }

    [TestMethod]
    public void Generate_WithoutLogProbabilities_LeavesThemNull()
    {
        var generator = Generator(new TableLanguageModel(8), 1);
        var (without, with) = (generator.Generate([[0]], new())[0], generator.Generate([[0]], new() { LogProbabilities = true })[0]);
        Assert.IsNull(without.LogProbabilities);
        CollectionAssert.AreEqual(without.Tokens.ToArray(), with.Tokens.ToArray());
    }

    [TestMethod]
    public void Generate_NoPrompts_ReturnsNoAnswers() => Assert.IsEmpty(Generator(new TableLanguageModel(8)).Generate([], new()));

    [TestMethod]
    public async Task GenerateStreaming_AnyOptions_JoinsToTheAnswer()
    {
        GenerationOptions[] variants =
            [new(), new() { StopStrings = ["éb#"] }, new() { MaximumNewTokens = 3 }, new() { Temperature = 1.5, MaximumNewTokens = 30 }];
        foreach (var options in variants)
        {
            var generator = Generator(Chain(0, 2, 6, 4, 5, 3, 1), 1);
            var pieces = new List<string>();
            GeneratedText? whole = null;
            await foreach (var piece in generator.GenerateStreaming([0], options, answer => whole = answer)) pieces.Add(piece);
            var expected = generator.Generate([[0]], options)[0];
            Assert.AreEqual(expected.Text, string.Concat(pieces));
            Assert.AreEqual(expected.Text, whole!.Text);
            CollectionAssert.AreEqual(expected.Tokens.ToArray(), whole.Tokens.ToArray());
            CollectionAssert.DoesNotContain(pieces, "");
        }
    }

    [TestMethod]
    public async Task GenerateStreaming_UnfinishedCharacterOrStopString_IsHeldBack()
    {
        var pieces = new List<string>();
        var generator = Generator(Chain(0, 2, 6, 4, 5, 3, 1), 1);
        await foreach (var piece in generator.GenerateStreaming([0], new() { StopStrings = [" éa"] })) pieces.Add(piece);
        CollectionAssert.AreEqual(new[] { "a", " éb" }, pieces);
    }

    [TestMethod]
    public async Task GenerateAndGenerateStreaming_Cancelled_StopBetweenTokens()
    {
        using var source = new CancellationTokenSource();
        var generator = Generator(new TableLanguageModel(8));
        var pieces = 0;
        await Assert.ThrowsExactlyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in generator.GenerateStreaming([0], new() { Temperature = 1 }, cancellationToken: source.Token))
            {
                if (++pieces == 3) source.Cancel();
            }
        });
        Assert.AreEqual(3, pieces);
        Assert.ThrowsExactly<OperationCanceledException>(() => generator.Generate([[0]], new(), source.Token));
    }

    private static IEnumerable<object[]> BadOptions() => new (GenerationOptions Options, string Message)[]
    {
        (new() { MaximumNewTokens = 0 }, "option MaximumNewTokens: found 0; expected 1 or more. Set the longest answer you want, for example 512."),
        (new() { Temperature = -1 },
            "option Temperature: found -1; expected a finite number, 0 or more. "
            + "Use 0 for the most likely answer, or about 0.3 to 1 for varied ones."),
        (new() { Temperature = double.NaN },
            "option Temperature: found NaN; expected a finite number, 0 or more. "
            + "Use 0 for the most likely answer, or about 0.3 to 1 for varied ones."),
        (new() { TopK = -1 }, "option TopK: found -1; expected 0 or more. Use 0 to keep all tokens."),
        (new() { TopP = 0 }, "option TopP: found 0; expected a probability above 0, at most 1. Use 1 to keep all tokens."),
        (new() { TopP = 1.5 }, "option TopP: found 1.5; expected a probability above 0, at most 1. Use 1 to keep all tokens."),
        (new() { MinP = 1 }, "option MinP: found 1; expected a share in [0, 1). Use 0 to keep all tokens."),
        (new() { MinP = -0.1 }, "option MinP: found -0.1; expected a share in [0, 1). Use 0 to keep all tokens."),
        (new() { RepetitionPenalty = 0 },
            "option RepetitionPenalty: found 0; expected a finite number above 0. "
            + "Use 1 to turn the penalty off, or about 1.1 to discourage repetition."),
        (new() { FrequencyPenalty = 2.5 }, "option FrequencyPenalty: found 2.5; expected a number from -2 to 2. Use 0 to turn the penalty off."),
        (new() { PresencePenalty = double.NaN }, "option PresencePenalty: found NaN; expected a number from -2 to 2. Use 0 to turn the penalty off."),
        (new() { StopStrings = ["x", ""] },
            "option StopStrings: found \"\"; expected texts of one character or more. Remove the empty text: it would end every answer at once."),
        (new() { StopStrings = null! }, "option StopStrings: found nothing; expected a list of strings. Leave it out for none."),
        (new() { MaximumBatchSize = 0 }, "option MaximumBatchSize: found 0; expected 1 or more. Use 1 to generate row by row."),
    }.Select(row => new object[] { row.Options, row.Message });

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void Generate_OptionOutOfRange_IsRefused(GenerationOptions options, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => Generator(new TableLanguageModel(8)).Generate([[0]], options)).Message);

    [TestMethod]
    [DataRow(new int[0],
        "prompt 2: found no tokens; expected one or more. Begin it with the model's beginning-of-sequence token or a chat template.")]
    [DataRow(new[] { 0, 1, 2, 3 },
        "prompt 2: found 4 tokens; expected fewer than 4 (max_position_embeddings). Shorten the prompt: it leaves no room for an answer.")]
    [DataRow(new[] { 0, 8 }, "prompt 2, token 2: found id 8; expected 0 to 7. Use the tokenizer that belongs to the model.")]
    public void Generate_InvalidPrompt_IsRefusedByItsNumber(int[] prompt, string message)
    {
        var generator = Generator(new TableLanguageModel(8, maximumPositions: 4));
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => generator.Generate([[0], prompt], new())).Message);
    }
}
