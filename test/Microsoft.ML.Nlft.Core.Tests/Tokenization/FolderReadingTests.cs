using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Tests how tokenizer.json, tokenizer_config.json and special_tokens_map.json of a folder are put together: as by transformers 5.</summary>
[TestClass]
public sealed class FolderReadingTests
{
    // The vocabulary: a 0, b 1, blank 2, ab 3, <x> 4. Added in tokenizer.json: <s> 5 (special), <t> 6 (not special, not normalized).
    private const int S = 5, T = 6;

    [TestMethod]
    [DataRow("""{"700":{"content":"<u>"},"900":{"content":"<v>"}}""", "<u>", 7, DisplayName = "the next free id, not the one of the configuration")]
    [DataRow("""{"700":{"content":"<u>"},"900":{"content":"<v>"}}""", "<v>", 8)]
    [DataRow("""{"900":{"content":"<u>"},"700":{"content":"<v>"}}""", "<v>", 7, DisplayName = "in the order of the ids there")]
    [DataRow("""{"90":{"content":"<u>"},"100":{"content":"<v>"}}""", "<v>", 8, DisplayName = "as numbers, not as texts")]
    [DataRow("""{"5":{"content":"<other>"}}""", "<other>", 7, DisplayName = "the file keeps its id")]
    [DataRow("""{"5":{"content":"<other>"}}""", "<s>", S)]
    [DataRow("""{"9":{"content":"<x>"}}""", "<x>", 4, DisplayName = "a token of the vocabulary keeps its id")]
    [DataRow("""{"9":{"content":""}}""", "<s>", S, DisplayName = "an empty one is none")]
    public void Load_TokensOfTheConfigurationAlone_AreAdded(string tokens, string token, int id)
    {
        using var folder = Small($$"""{"added_tokens_decoder":{{tokens}}}""");
        var tokenizer = folder.Load();

        Assert.AreEqual(id, tokenizer.TokenToId(token));
        CollectionAssert.AreEqual(new[] { 0, id, 1 }, tokenizer.Encode($"a{token}b", addSpecialTokens: false));
        Assert.AreEqual(token, tokenizer.IdToToken(id));
    }

    [TestMethod]
    [DataRow("""{"content":"<t>","special":true}""", "a <t> b", new[] { 0, 2, T, 2, 1 }, true)]
    [DataRow("""{"content":"<t>","lstrip":true}""", "a <t> b", new[] { 0, T, 2, 1 }, false)]
    [DataRow("""{"content":"<t>","rstrip":true}""", "a <t> b", new[] { 0, 2, T, 1 }, false)]
    [DataRow("""{"content":"<t>","single_word":true}""", "a<t> <t>", new[] { 0, 2, T }, false)]
    [DataRow("""{"content":"<s>","special":false,"normalized":false}""", "a<s>", new[] { 0, S }, false)]
    [DataRow("""{"content":"<s>","special":true,"lstrip":true}""", "a <s>", new[] { 0, S }, true)]
    public void Load_FlagsInBothFiles_AreThoseOfTheConfiguration(string token, string text, int[] ids, bool isSpecial)
    {
        using var folder = Small($$$"""{"added_tokens_decoder":{"1":{{{token}}}}}""");
        var tokenizer = folder.Load();
        var special = tokenizer.SpecialTokens.ContainsKey(token.Contains("<t>", StringComparison.Ordinal) ? "<t>" : "<s>");

        CollectionAssert.AreEqual(ids, tokenizer.Encode(text, addSpecialTokens: false));
        Assert.AreEqual(isSpecial, special);
    }

    [TestMethod]
    [DataRow("""{"eos_token":"<t>"}""")]
    [DataRow("""{"pad_token":"<t>","added_tokens_decoder":{"6":{"content":"<t>","special":false,"normalized":false}}}""")]
    [DataRow("""{"mask_token":{"__type":"AddedToken","content":"<t>","lstrip":true}}""")]
    [DataRow("""{"additional_special_tokens":["<t>"]}""")]
    [DataRow("""{"extra_special_tokens":["<t>"]}""")]
    [DataRow("""{"extra_special_tokens":{"image_token":"<t>"}}""")]
    public void Load_NamedToken_IsSpecialAndKeepsItsOtherFlags(string configuration)
    {
        using var folder = Small(configuration);
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { 0, 2, T, 1 }, tokenizer.Encode("a <t>b", addSpecialTokens: false));
        Assert.AreEqual("a b", tokenizer.Decode([0, 2, T, 1], skipSpecialTokens: true));
        Assert.AreEqual("a <t>b", tokenizer.Decode([0, 2, T, 1], skipSpecialTokens: false));
    }

    [TestMethod]
    [DataRow("""{"eos_token":"<x>"}""", "<x>", 4, DisplayName = "a token of the vocabulary becomes an added token")]
    [DataRow("""{"eos_token":"<new>"}""", "<new>", 7, DisplayName = "one that is nowhere gets a new id")]
    [DataRow("""{"bos_token":"<n>","eos_token":"<m>"}""", "<m>", 8, DisplayName = "roles in a fixed order: bos, eos, unk, sep, pad, cls, mask")]
    [DataRow("""{"eos_token":"<m>","bos_token":"<n>","extra_special_tokens":["<e>"]}""", "<e>", 9)]
    [DataRow("""{"eos_token":"<m>","added_tokens_decoder":{"3":{"content":"<u>"}}}""", "<m>", 8, DisplayName = "after those of the configuration")]
    public void Load_NamedTokenThatIsNoAddedToken_IsAddedAsSpecial(string configuration, string token, int id)
    {
        using var folder = Small(configuration);
        var tokenizer = folder.Load();

        Assert.AreEqual(id, tokenizer.SpecialTokens[token]);
        CollectionAssert.AreEqual(new[] { 0, id }, tokenizer.Encode($"a{token}", addSpecialTokens: false));
    }

    [TestMethod]
    [DataRow("""{"eos_token":"<s>"}""", """{"eos_token":"<t>"}""", "<t>", DisplayName = "the map wins")]
    [DataRow("""{"eos_token":null}""", """{"eos_token":"<t>"}""", "<t>", DisplayName = "over null too")]
    [DataRow("""{"eos_token":"<s>"}""", """{"bos_token":"<t>"}""", "<s>", DisplayName = "key by key")]
    [DataRow("""{"eos_token":"<s>"}""", """{"eos_token":{"content":"<t>","lstrip":false}}""", "<t>", DisplayName = "an object")]
    [DataRow("""{"eos_token":"<s>","added_tokens_decoder":{}}""", """{"eos_token":"<t>"}""", "<s>", DisplayName = "not read beside tokens")]
    [DataRow("""{"added_tokens_decoder":{}}""", """{"eos_token":"<t>"}""", null)]
    [DataRow("""{}""", """{"eos_token":"<t>"}""", "<t>")]
    [DataRow(null, """{"eos_token":"<t>"}""", "<t>")]
    [DataRow("""{"eos_token":"<s>"}""", null, "<s>")]
    [DataRow(null, null, null)]
    public void Load_SpecialTokensMap_CountsWithoutTokensInTheConfiguration(string? configuration, string? map, string? expected)
    {
        using var folder = Small(configuration);
        if (map is not null) folder.File("special_tokens_map.json", map);

        Assert.AreEqual(expected, folder.Load().EndOfSequenceToken);
    }

    [TestMethod]
    [DataRow("""{"add_bos_token":true,"bos_token":"<s>"}""", false, new[] { 0 })]
    [DataRow("""{"add_bos_token":false,"bos_token":"<s>"}""", true, new[] { S, 0 })]
    [DataRow("""{"add_bos_token":true,"add_eos_token":true,"eos_token":"<t>"}""", true, new[] { S, 0 })]
    [DataRow("""{"tokenizer_class":"LlamaTokenizer","add_bos_token":true,"bos_token":"<s>"}""", false, new[] { 0 })]
    [DataRow("""{}""", true, new[] { S, 0 })]
    public void Encode_AddBosTokenOfTheConfiguration_SaysNothing(string configuration, bool processes, int[] ids)
    {
        using var folder = Small(configuration);
        if (processes)
        {
            folder.Set("post_processor", """
                {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[5]}}}
                """);
        }

        CollectionAssert.AreEqual(ids, folder.Load().Encode("a", addSpecialTokens: true));
    }

    [TestMethod]
    [DataRow("""{"eos_token":"<new>"}""", 7, "the token <new> with the id 7", DisplayName = "eos is nowhere")]
    [DataRow("""{"bos_token":"<new>"}""", 7, "the token <new> with the id 7")]
    [DataRow("""{"bos_token":"<s>"}""", 5, "the token <s> with the id 5")]
    [DataRow("""{}""", 3, "the token <x> with the id 4", DisplayName = "the model's vocabulary")]
    public void Load_TokenBeyondTheEmbedding_IsNamed(string configuration, int rows, string found)
    {
        using var folder = Small(configuration);
        folder.Load();
        var refusal = Assert.ThrowsExactly<NlftException>(() => HuggingFaceTokenizer.Load(new FolderDocuments(folder.Path), rows));

        Assert.AreEqual(found, refusal.Found);
        Assert.Contains($"; expected ids below {rows}, the rows of the model's embedding (vocab_size of config.json). ", refusal.Message);
    }

    [TestMethod]
    [DataRow("""{"pad_token":"[PAD]"}""", "[PAD]", 7)]
    [DataRow("""{"extra_special_tokens":["<image>"]}""", "<image>", 7)]
    [DataRow("""{"added_tokens_decoder":{"7":{"content":"<think>"}}}""", "<think>", 7)]
    [DataRow("""{}""", "<t>", 6)]
    public void Encode_OtherTokenBeyondTheEmbedding_IsNamedWhenATextNeedsIt(string configuration, string token, int rows)
    {
        using var folder = Small(configuration);
        folder.Load();
        var tokenizer = HuggingFaceTokenizer.Load(new FolderDocuments(folder.Path), rows);

        CollectionAssert.AreEqual(new[] { 3, S }, tokenizer.Encode("ab<s>", addSpecialTokens: false));
        CollectionAssert.AreEqual(new[] { 0 }, tokenizer.Encode($"a{token}", addSpecialTokens: false, [Range.All])[..1], "a user's text is no token");
        var refusal = Assert.ThrowsExactly<NlftException>(() => tokenizer.Encode($"a{token}", addSpecialTokens: false));
        Assert.AreEqual($"the token {token} with the id {rows}", refusal.Found);
    }

    [TestMethod]
    public void Load_NextFreeIdTaken_IsRefused()
    {
        using var folder = new TokenizerFolder().Set("model", """{"type":"BPE","vocab":{"a":0,"b":2},"merges":[]}""")
            .File("tokenizer_config.json", """{"eos_token":"</s>"}""");

        Assert.AreEqual("the added token </s>: found \"b\" at the id 2, the next free one by the rule of transformers; expected an id of its own. "
            + "Name the token in added_tokens of tokenizer.json, with its id.", Assert.ThrowsExactly<NlftException>(() => folder.Load()).Message);
    }

    [TestMethod]
    public void IdToToken_NormalizedAddedToken_IsTheNormalizedSpelling()
    {
        using var folder = Small("{}").Set("normalizer", """{"type":"Lowercase"}""").Set("decoder", """{"type":"Fuse"}""")
            .AddedToken(7, "UP", special: true, """{"normalized":true}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { 7, 7 }, tokenizer.Encode("UPup", addSpecialTokens: false));
        Assert.AreEqual("up", tokenizer.IdToToken(7));
        Assert.AreEqual(7, tokenizer.TokenToId("UP"));
        Assert.AreEqual("up", tokenizer.Decode([7], skipSpecialTokens: true), "the special token is UP, as Hugging Face compares");
    }

    private static TokenizerFolder Small(string? configuration)
    {
        var folder = new TokenizerFolder()
            .Set("model", """{"type":"BPE","vocab":{"a":0,"b":1," ":2,"ab":3,"<x>":4},"merges":[["a","b"]]}""")
            .Set("decoder", """{"type":"Fuse"}""")
            .AddedToken(S, "<s>").AddedToken(T, "<t>", special: false, """{"normalized":false}""");
        return configuration is null ? folder : folder.File("tokenizer_config.json", configuration);
    }
}
