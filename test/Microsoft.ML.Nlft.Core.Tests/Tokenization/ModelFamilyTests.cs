using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Tests a small tokenizer of each model family against ids worked out by hand.</summary>
[TestClass]
public sealed class ModelFamilyTests
{
    private const string ByteDecoder = TokenizerFolder.Gpt2Split;

    [TestMethod]
    [DataRow("hello world", new[] { 12, 17 })]
    [DataRow("hello  world", new[] { 12, 5, 17 }, DisplayName = "the last of several spaces joins the word")]
    [DataRow("hello's", new[] { 12, 20 })]
    [DataRow("hello'S", new[] { 12, 18, 21 }, DisplayName = "contractions must be lowercase")]
    [DataRow("hellol", new[] { 12, 3 })]
    [DataRow("lll", new[] { 10, 3 }, DisplayName = "leftmost of equal merges first")]
    [DataRow("é", new[] { 22, 23 })]
    [DataRow("", new int[0])]
    public void EncodeAndDecode_Gpt2Tokenizer_GivesExpectedIds(string text, int[] ids)
    {
        //                                       0 1 2 3 4 5 6 7 8 9  10 11   12    13 14 15 16   17     18 19 20 21 22 23
        using var folder = new TokenizerFolder().Model(
            "! h e l o Ġ w r d he ll hell hello Ġw or ld Ġwor Ġworld ' s 's S Ã ©",
            "h e, l l, he ll, hell o, Ġ w, o r, l d, Ġw or, Ġwor ld, ' s")
            .Set("pre_tokenizer", TokenizerFolder.Gpt2Split).Set("post_processor", TokenizerFolder.Gpt2Split).Set("decoder", ByteDecoder);
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(ids, tokenizer.Encode(text, addSpecialTokens: true));
        Assert.AreEqual(text, tokenizer.Decode(ids, skipSpecialTokens: false));
    }

    [TestMethod]
    [DataRow("1234", new[] { 9, 6, 3 }, DisplayName = "digits in groups of three; whole words take precedence over merges")]
    [DataRow("ab", new[] { 9, 8 }, DisplayName = "a word that is a token becomes that token without merges")]
    [DataRow("ba", new[] { 9, 5, 4 }, DisplayName = "other words are merged")]
    [DataRow("ab<|eot|>ab", new[] { 9, 8, 10, 8 })]
    public void EncodeAndDecode_Llama3Tokenizer_GivesExpectedIds(string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Model("1 2 3 4 a b 123 Ġ ab", "", """{"ignore_merges":true}""")
            .Set("pre_tokenizer", Sequence(WordMatcher.Llama3Pattern))
            .AddedToken(9, "<|bos|>").AddedToken(10, "<|eot|>")
            .Set("post_processor", """
                {"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},
                 {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|bos|>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
                  "pair":[],"special_tokens":{"<|bos|>":{"id":"<|bos|>","ids":[9],"tokens":["<|bos|>"]}}}]}
                """)
            .Set("decoder", ByteDecoder);
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(ids, tokenizer.Encode(text, addSpecialTokens: true));
        CollectionAssert.AreEqual(ids[1..], tokenizer.Encode(text, addSpecialTokens: false));
        Assert.AreEqual("<|bos|>" + text, tokenizer.Decode(ids, skipSpecialTokens: false));
        Assert.AreEqual(text.Replace("<|eot|>", ""), tokenizer.Decode(ids, skipSpecialTokens: true));
        Assert.AreEqual(11, tokenizer.VocabularySize);
    }

    [TestMethod]
    [DataRow("e\u0301", new[] { 4 }, DisplayName = "composed before it is split into bytes")]
    [DataRow("\u00E9", new[] { 4 })]
    [DataRow("12", new[] { 0, 1 }, DisplayName = "numbers digit by digit")]
    [DataRow("\u1100\u1161\u11A8", new[] { 5, 6, 7 }, DisplayName = "Hangul: AC01 is EA B0 81")]
    public void Encode_QwenTokenizer_GivesExpectedIds(string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Model("1 2 Ã © Ã© ê ° ģ 12", "Ã ©, 1 2")
            .Set("normalizer", """{"type":"NFC"}""").Set("pre_tokenizer", Sequence(WordMatcher.QwenPattern)).Set("decoder", ByteDecoder);

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: true));
    }

    [TestMethod]
    [DataRow("a 12", new[] { 0, 3, 1, 2 }, DisplayName = "digits and the space are separate")]
    [DataRow(" a", new[] { 5 })]
    public void Encode_SmolLMTokenizer_GivesExpectedIds(string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Model("a 1 2 Ġ 12 Ġa Ġ1", "1 2, Ġ a, Ġ 1")
            .Set("pre_tokenizer", $$"""
                {"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{{TokenizerFolder.Gpt2Split}}]}
                """)
            .Set("decoder", ByteDecoder);

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: true));
    }

    [TestMethod]
    [DataRow("ab a", new[] { 1, 6, 5 }, "<s> ab a", "ab a")]
    [DataRow("é", new[] { 1, 4, 7, 8 }, "<s> é", "é")]
    [DataRow("a  a", new[] { 1, 5, 4, 5 }, "<s> a  a", "a  a")]
    [DataRow("", new[] { 1 }, "<s>", "")]
    [DataRow("a</s>b", new[] { 1, 5, 9, 4, 3 }, "<s> a</s> b", "a b", DisplayName = "each text between added tokens gets its prefix")]
    public void EncodeAndDecode_TinyLlamaTokenizer_GivesExpectedIds(string text, int[] ids, string withSpecial, string withoutSpecial)
    {
        using var folder = SentencePiece("""{"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(ids, tokenizer.Encode(text, addSpecialTokens: true));
        Assert.AreEqual(withSpecial, tokenizer.Decode(ids, skipSpecialTokens: false));
        Assert.AreEqual(withoutSpecial, tokenizer.Decode(ids, skipSpecialTokens: true));
    }

    [TestMethod]
    [DataRow("""{"unk_token":"<unk>","fuse_unk":true}""", new[] { 4, 0, 2, 0 })]
    [DataRow("""{"unk_token":"<unk>","fuse_unk":false}""", new[] { 4, 0, 0, 2, 0 })]
    [DataRow("""{"unk_token":null}""", new[] { 5 }, DisplayName = "without unk_token unknown characters are dropped before merging")]
    [DataRow("""{"unk_token":"<unk>","byte_fallback":true}""", new[] { 4, 0, 0, 2, 0 }, DisplayName = "byte fallback needs the tokens of all bytes")]
    public void Encode_UnknownCharacters_FollowTheOptions(string options, int[] ids)
    {
        using var folder = SentencePiece(options);

        CollectionAssert.AreEqual(ids, folder.Load().Encode("xyaz", addSpecialTokens: false));
    }

    [TestMethod]
    public void Encode_UnknownTokenOutsideTheVocabulary_IsRefusedOnUse()
    {
        using var folder = new TokenizerFolder().Model("a", "", """{"unk_token":"<unk>"}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { 0 }, tokenizer.Encode("a", addSpecialTokens: false));
        var refusal = Assert.ThrowsExactly<NlftException>(() => tokenizer.Encode("b", addSpecialTokens: false));
        Assert.AreEqual("tokenizer.json, \"model.unk_token\"", refusal.Subject);
    }

    [TestMethod]
    [DataRow("always", "a<s>b", new[] { 3, 5, 4 })]
    [DataRow("first", "a<s>b", new[] { 3, 5, 1 })]
    [DataRow("never", "a<s>b", new[] { 0, 5, 1 })]
    [DataRow("first", "<s>a b", new[] { 5, 0, 4 })]
    public void Encode_Metaspace_PrependsByItsScheme(string scheme, string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Model("a b ▁ ▁a ▁b", "▁ a, ▁ b").AddedToken(5, "<s>")
            .Set("pre_tokenizer", $$"""{"type":"Metaspace","replacement":"▁","prepend_scheme":"{{scheme}}","split":true}""")
            .Set("decoder", $$"""{"type":"Metaspace","replacement":"▁","prepend_scheme":"{{scheme}}","split":true}""");

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: false));
    }

    [TestMethod]
    public void Load_BothMergeSpellings_GiveTheSameIds()
    {
        const string Vocabulary = """{"a":0,"b":1," ":2,"ab":3,"ab ":4}""";
        using var pairs = new TokenizerFolder().Set("model", $$"""{"type":"BPE","vocab":{{Vocabulary}},"merges":[["a","b"],["ab"," "]]}""");
        using var lines = new TokenizerFolder().Set("model", $$"""{"type":"BPE","vocab":{{Vocabulary}},"merges":["#version: 0.2","a b"]}""");

        CollectionAssert.AreEqual(new[] { 4 }, pairs.Load().Encode("ab ", addSpecialTokens: false));
        CollectionAssert.AreEqual(new[] { 3, 2 }, lines.Load().Encode("ab ", addSpecialTokens: false));
    }

    [TestMethod]
    public void Load_LostNoBreakSpaces_AreRestored()
    {
        using var folder = new TokenizerFolder().Set("normalizer", """{"type":"Replace","pattern":{"String":" "},"content":"▁"}""")
            .Set("model", """{"type":"BPE","byte_fallback":true,"vocab":{" ":0,"  ":1,"▁":2,"▁ ":3,"a":4},"merges":["   ","▁  "]}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { 4, 1, 3 }, tokenizer.Encode("a\u00A0\u00A0 \u00A0", addSpecialTokens: false));
        Assert.AreEqual("\u00A0\u00A0", tokenizer.IdToToken(1));
    }

    private static TokenizerFolder SentencePiece(string options) => new TokenizerFolder()
        .Model("<unk> <s> a b ▁ ▁a ▁ab <0xC3> <0xA9>", "▁ a, ▁a b", options)
        .Set("normalizer", TokenizerFolder.SentencePieceNormalizer)
        .AddedToken(1, "<s>").AddedToken(9, "</s>")
        .Set("post_processor", """
            {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
             "pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}}
            """)
        .Set("decoder", """
            {"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
             {"type":"Strip","content":" ","start":1,"stop":0}]}
            """);

    private static string Sequence(string pattern) => $$"""
        {"type":"Sequence","pretokenizers":[
         {"type":"Split","pattern":{"Regex":{{System.Text.Json.JsonSerializer.Serialize(pattern)}}},"behavior":"Isolated","invert":false},
         {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}
        """;
}
