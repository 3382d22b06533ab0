namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Tests the models beside plain byte pairs: unigram, WordPiece, and byte pairs with affixes, against ids worked out by hand.</summary>
[TestClass]
public sealed class ModelKindTests
{
    private const string Unigram = """[["<unk>",0],["a",-1],["b",-2],["ab",-2.5],["abc",-9],["c",-4],["bc",-3],["😀",-5]]""";

    [TestMethod]
    [DataRow("ab", new[] { 3 }, DisplayName = "one token where its score is better: -2.5 against -3")]
    [DataRow("abc", new[] { 1, 6 }, DisplayName = "-4 against -6.5 and -9")]
    [DataRow("aab", new[] { 1, 3 })]
    [DataRow("x", new[] { 0 })]
    [DataRow("xya", new[] { 0, 1 }, DisplayName = "unknown characters in a row are one token")]
    [DataRow("xay", new[] { 0, 1, 0 })]
    [DataRow("a😀😁b", new[] { 1, 7, 0, 2 }, DisplayName = "characters beyond U+FFFF")]
    [DataRow("", new int[0])]
    public void Encode_UnigramModel_TakesTheBestSum(string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Set("model", $$"""{"type":"Unigram","unk_id":0,"vocab":{{Unigram}}}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(ids, tokenizer.Encode(text, addSpecialTokens: false));
        CollectionAssert.AreEqual(ids, tokenizer.EncodeToTokens(text, out _).Select(token => token.Id).ToArray());
    }

    [TestMethod]
    [DataRow("é", new[] { 2, 3 })]
    [DataRow("éé", new[] { 2, 3, 2, 3 })]
    [DataRow("aéa", new[] { 1, 2, 3, 1 })]
    [DataRow("éx", new[] { 0 }, DisplayName = "all bytes of an unknown text, or none")]
    [DataRow("<unk>", new[] { 0 }, DisplayName = "the unknown token spelt out is itself, without its bytes")]
    public void Encode_UnigramWithByteFallback_SpellsUnknownTextInBytes(string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Set("model", """
            {"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0],["a",-1],["<0xC3>",0],["<0xA9>",0]]}
            """);

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: false));
    }

    [TestMethod]
    public void Encode_UnigramWithEqualSums_TakesTheLongestTokenAtTheEnd()
    {
        using var folder = new TokenizerFolder().Set("model", """{"type":"Unigram","vocab":[["a",-1],["aa",-2]]}""");

        CollectionAssert.AreEqual(new[] { 1 }, folder.Load().Encode("aa", addSpecialTokens: false));
    }

    [TestMethod]
    public void Encode_UnigramWithoutAnUnknownToken_RefusesTheText()
    {
        using var folder = new TokenizerFolder().Set("model", """{"type":"Unigram","vocab":[["a",-1]]}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { 0, 0 }, tokenizer.Encode("aa", addSpecialTokens: false));
        Assert.AreEqual("tokenizer.json, \"model.unk_id\": found no unknown token, and a text with \"é\"; expected the index of a token of "
            + "model.vocab. Correct the file, or download it again.",
            Assert.ThrowsExactly<NlftException>(() => tokenizer.Encode("aé", addSpecialTokens: false)).Message);
    }

    [TestMethod]
    [DataRow(10_000)]
    [DataRow(100_000)]
    public void Encode_LongUnigramText_IsDividedInOnePass(int length)
    {
        using var folder = new TokenizerFolder().Set("model", $$"""{"type":"Unigram","unk_id":0,"vocab":{{Unigram}}}""");
        var ids = folder.Load().Encode(string.Concat(Enumerable.Repeat("ab", length)), addSpecialTokens: false);

        CollectionAssert.AreEqual(Enumerable.Repeat(3, length).ToArray(), ids);
    }

    [TestMethod]
    [DataRow("play", new[] { 1 })]
    [DataRow("playing", new[] { 1, 2 })]
    [DataRow("plays", new[] { 1, 3 })]
    [DataRow("playx", new[] { 0 }, DisplayName = "a word that cannot be divided is unknown as a whole")]
    [DataRow("ing", new[] { 0 }, DisplayName = "a continuing token does not begin a word")]
    [DataRow("play 😀s", new[] { 1, 4, 3 })]
    [DataRow("playssssssss", new[] { 0 }, DisplayName = "a word of more than ten characters")]
    public void Encode_WordPieceModel_TakesTheLongestToken(string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Set("pre_tokenizer", """{"type":"BertPreTokenizer"}""").Set("model", """
            {"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":10,
             "vocab":{"[UNK]":0,"play":1,"##ing":2,"##s":3,"😀":4,"##i":5}}
            """);

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: false));
    }

    [TestMethod]
    public void Encode_WordPieceWithoutItsUnknownToken_RefusesTheText()
    {
        using var folder = new TokenizerFolder().Set("model", """{"type":"WordPiece","unk_token":"[UNK]","vocab":{"a":0}}""");

        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => folder.Load().Encode("b", addSpecialTokens: false)).Message,
            "tokenizer.json, \"model.unk_token\": found no token of the vocabulary, and a text that needs it: \"b\"");
    }

    [TestMethod]
    [DataRow("##", "", "ab", new[] { 3 })]
    [DataRow("##", "", "aab", new[] { 0, 4, 2 }, DisplayName = "characters after the first have the prefix")]
    [DataRow("", "</w>", "ba", new[] { 1, 5 }, DisplayName = "the last character has the suffix")]
    [DataRow("", "</w>", "a", new[] { 5 })]
    [DataRow("", "</w>", "aba", new[] { 0, 1, 5 })]
    public void Encode_BytePairsWithAffixes_SpellTheCharactersWithThem(string prefix, string suffix, string text, int[] ids)
    {
        using var folder = new TokenizerFolder().Set("model", $$"""
            {"type":"BPE","continuing_subword_prefix":"{{prefix}}","end_of_word_suffix":"{{suffix}}",
             "vocab":{"a":0,"b":1,"##b":2,"ab":3,"##a":4,"a</w>":5,"a##b":6},"merges":[["a","##b"]]}
            """);

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: false));
    }
}
