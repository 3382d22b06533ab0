using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.ModelFiles.Gguf;

/// <summary>Builds tokenizers from the metadata of GGUF files.</summary>
[TestClass]
public sealed class GgufVocabularyTests
{
    // The reference searches special tokens in the normalized text, where it finds them after a space alone; then "</s>" would end no answer.
    private const string OtherRule = "a<s>b </s> c";

    private static GgufBytes ByteLevel(string pre = "gpt-2") => new GgufBytes()
        .Add("general.architecture", "llama").Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.pre", pre)
        .Add("tokenizer.ggml.tokens", new[] { "<s>", "</s>", "a", "b", "ab", "1", "Ġ", "Ġa", "<tool>", "[PAD9]", "." })
        .Add("tokenizer.ggml.token_type", new[] { 3, 3, 1, 1, 1, 1, 1, 1, 4, 5, 1 })
        .Add("tokenizer.ggml.merges", new[] { "a b", "Ġ a" })
        .Add("tokenizer.ggml.bos_token_id", 0u).Add("tokenizer.ggml.eos_token_id", 1u);

    private static GgufBytes SentencePiece() => new GgufBytes()
        .Add("general.architecture", "llama").Add("tokenizer.ggml.model", "llama")
        .Add("tokenizer.ggml.tokens", new[] { "<unk>", "<s>", "</s>", "\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "s>", "<", "  ", "s", ">" })
        .Add("tokenizer.ggml.scores", new[] { 0f, 0, 0, -9, -9, -9, -2, -1, -3, -9, -9, 0, -9, -9 })
        .Add("tokenizer.ggml.token_type", new[] { 2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1 })
        .Add("tokenizer.ggml.bos_token_id", 1u).Add("tokenizer.ggml.eos_token_id", 2u).Add("tokenizer.ggml.unknown_token_id", 0u);

    private static HuggingFaceTokenizer Load(GgufBytes bytes)
    {
        using var folder = new TemporaryFolder();
        return HuggingFaceTokenizer.Load(folder.Write("v.gguf", bytes.Build()));
    }

    private static string Refusal(GgufBytes bytes)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("v.gguf", bytes.Build());
        return folder.Refusal(() => HuggingFaceTokenizer.Load(path));
    }

    [TestMethod]
    [TestCategory("Conformance")]
    public void Encode_TextsOfLlama2_GivesTheIdsOfHuggingFace()
    {
        var path = Fixtures.Path_("golden", "gguf", "vocabularies", "llama2.gguf");
        if (!File.Exists(path)) Assert.Inconclusive($"no {path}");
        var tokenizer = HuggingFaceTokenizer.Load(path);
        using var json = Fixtures.Json("golden", "gguf", "vocabularies", "llama2.json");
        foreach (var item in json.RootElement.EnumerateArray())
        {
            var text = item.GetProperty("text").GetString()!;
            if (text == OtherRule) continue;
            CollectionAssert.AreEqual(item.GetProperty("ids").Ints(), tokenizer.Encode(text, addSpecialTokens: false), text);
            CollectionAssert.AreEqual(item.GetProperty("ids_with_special").Ints(), tokenizer.Encode(text, addSpecialTokens: true), text);
        }
        CollectionAssert.AreEqual(new[] { 263, 1, 289, 29871, 2, 29871, 274 }, tokenizer.Encode(OtherRule, addSpecialTokens: false));
    }

    [TestMethod]
    public void Load_ByteLevelVocabulary_HasItsMergesAndRoles()
    {
        var tokenizer = Load(ByteLevel());
        CollectionAssert.AreEqual(new[] { 4, 7 }, tokenizer.Encode("ab a", addSpecialTokens: true));
        CollectionAssert.AreEqual(new[] { 2, 8, 3, 1 }, tokenizer.Encode("a<tool>b</s>", addSpecialTokens: false));
        Assert.AreEqual(("<s>", "</s>", null), (tokenizer.BeginningOfSequenceToken, tokenizer.EndOfSequenceToken, tokenizer.UnknownToken));
        Assert.AreEqual("ab a", tokenizer.Decode([4, 7, 1], skipSpecialTokens: true));
        Assert.IsNull(tokenizer.IdToToken(9), "an unused token is none");
        Assert.IsFalse(tokenizer.SpecialTokens.ContainsKey("<tool>"), "a token that the user defined is not special");
    }

    [TestMethod]
    [DataRow("llama-bpe", true)]
    [DataRow("tekken", true)]
    [DataRow("qwen2", false)]
    [DataRow("gpt-2", false)]
    [DataRow("smollm", false)]
    public void Encode_NoWordOnTheBeginning_FollowsThePreTokenizer(string pre, bool begins)
    {
        Assert.AreEqual(begins, Load(ByteLevel(pre)).Encode("a", addSpecialTokens: true).Length == 2);
        Assert.HasCount(1, Load(ByteLevel(pre).Add("tokenizer.ggml.add_bos_token", false)).Encode("a", addSpecialTokens: true));
        CollectionAssert.AreEqual(new[] { 0, 2, 1 }, Load(ByteLevel(pre).Add("tokenizer.ggml.add_bos_token", true)
            .Add("tokenizer.ggml.add_eos_token", true)).Encode("a", addSpecialTokens: true));
    }

    [TestMethod]
    [DataRow("gpt-2", "1111| a|,|a")]
    [DataRow("smollm", "1|1|1|1| a|,|a")]
    [DataRow("llama-bpe", "111|1| a|,a")]
    [DataRow("dbrx", "111|1| a|,a")]
    [DataRow("qwen2", "1|1|1|1| a|,a")]
    [DataRow("default", "111|1| a|,|a")]
    [DataRow("falcon", "111|1| a|,|a")]
    [DataRow("deepseek-coder", "1|1|1|1| a|,|a")]
    [DataRow("gpt-4o", "111|1| a|,a")]
    [DataRow("tekken", "1|1|1|1| a|,a")]
    public void Encode_PreTokenizer_SplitsAsItsNameSays(string pre, string expected)
    {
        string[] tokens = ["1", "a", ",", "Ġ", "11", "111", "1111", "Ġa", ",a"]; // every piece is a token
        var tokenizer = Load(new GgufBytes().Add("general.architecture", "llama").Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.pre", pre)
            .Add("tokenizer.ggml.tokens", tokens).Add("tokenizer.ggml.merges", new[] { "1 1", "11 11", "11 1", "Ġ a", ", a" }));
        Assert.AreEqual(expected, string.Join('|', tokenizer.Encode("1111 a,a", addSpecialTokens: false).Select(id => tokens[id].Replace('Ġ', ' '))));
    }

    [TestMethod]
    public void Load_EveryPreTokenizerName_IsReadable()
    {
        var all = Refusal(ByteLevel("klingon")).Split("expected ")[1].Split(". Use")[0].Split(", ");
        Assert.IsGreaterThan(40, all.Length);
        foreach (var pre in all) Assert.IsGreaterThan(0, Load(ByteLevel(pre)).Encode("ab ab.1 a", addSpecialTokens: false).Length, pre);
    }

    [TestMethod]
    public void Load_SentencePieceVocabulary_MergesByScore()
    {
        var tokenizer = Load(SentencePiece());
        CollectionAssert.AreEqual(new[] { 1, 8 }, tokenizer.Encode("ab", addSpecialTokens: true));
        CollectionAssert.AreEqual(new[] { 8, 7 }, tokenizer.Encode("ab a", addSpecialTokens: false));
        Assert.AreEqual("ab a", tokenizer.Decode([1, 8, 7], skipSpecialTokens: true));
        CollectionAssert.AreEqual(new[] { 3, 10, 9 }, tokenizer.Encode("<s>", addSpecialTokens: false, [Range.All]),
            "a user's text makes no control token");
        CollectionAssert.AreEqual(new[] { 4 }, Load(SentencePiece().Add("tokenizer.ggml.add_space_prefix", false))
            .Encode("a", addSpecialTokens: false));
    }

    [TestMethod]
    public void Load_ChatTemplates_AreThoseOfTheMetadata()
    {
        using var folder = new TemporaryFolder();
        var one = folder.Write("one.gguf", ByteLevel().Add("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}").Build());
        var several = folder.Write("several.gguf", ByteLevel().Add("tokenizer.chat_template", "plain")
            .Add("tokenizer.chat_templates", new[] { "tool_use" }).Add("tokenizer.chat_template.tool_use", "tools").Build());
        var none = folder.Write("none.gguf", ByteLevel().Build());
        Assert.AreEqual("<s>Hi", ChatTemplate.Load(one)!.Render([new("user", "Hi")], addGenerationPrompt: false));
        Assert.AreEqual("plain", ChatTemplate.Load(several)!.Render([new("user", "Hi")], addGenerationPrompt: false));
        Assert.AreEqual("tools",
            ChatTemplate.Load(several)!.Render([new("user", "Hi")], false, new Dictionary<string, object?> { ["tools"] = new[] { "t" } }));
        Assert.IsNull(ChatTemplate.Load(none));
    }

    [TestMethod]
    public void Load_VocabularyThatCannotBeUsed_IsRefused()
    {
        var path = "v.gguf, \"tokenizer.ggml.";
        StringAssert.StartsWith(Refusal(ByteLevel("klingon")), path + "pre\": found \"klingon\"; expected a.x-4.0, ");
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("tokenizer.ggml.model", "rwkv")), path
            + "model\": found \"rwkv\"; expected \"gpt2\" or \"llama\".");
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("general.architecture", "llama")),
            "v.gguf: found no vocabulary in its metadata; expected ");
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("tokenizer.ggml.model", "gpt2")), path
            + "tokens\": found no such key; expected a list of tokens.");
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.tokens", new[] { "a" })),
            path + "merges\": found no such key; expected a list of merges.");
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("tokenizer.ggml.model", "llama").Add("tokenizer.ggml.tokens", new[] { "a" })),
            path + "scores\": found no such key; expected a list of scores.");
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.tokens", new[] { "a", "b", "a" })
            .Add("tokenizer.ggml.merges", new[] { "a b" })), path + "tokens\", token 2: found the text of token 0; expected a text of its own.");
        StringAssert.StartsWith(Refusal(ByteLevel().Add("tokenizer.ggml.padding_token_id", 11u)),
            path + "padding_token_id\": found 11; expected an id below 11, the number of tokens.");
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.tokens", new[] { "a" })
            .Add("tokenizer.ggml.token_type", new[] { 1, 1 })), path
                + "token_type\": found a list of Int32 values; expected 1 values, one per token.");
        StringAssert.StartsWith(Refusal(ByteLevel().Add("tokenizer.chat_templates", new[] { "x" })),
            "v.gguf, \"tokenizer.chat_template.x\": found no such key; expected the template that tokenizer.chat_templates names.");
        var longToken = new string('a', 600);
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("tokenizer.ggml.model", "llama").Add("tokenizer.ggml.tokens", new[] { longToken })
            .Add("tokenizer.ggml.scores", new[] { 0f })), path + "tokens\", token 0: found 600 characters; expected at most 512.");
    }
}
