using System.Buffers;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Tests streaming, the inherited methods, offsets and clean-up.</summary>
[TestClass]
public sealed class DecodingTests
{
    [TestMethod]
    public void Append_UnfinishedCharacter_HoldsBackItsBytes()
    {
        using var folder = Bytes();
        var tokenizer = folder.Load();
        var decoder = new TokenStreamDecoder(tokenizer, skipSpecialTokens: true);
        var texts = tokenizer.Encode("a😀é", addSpecialTokens: false).Select(decoder.Append).ToArray();

        CollectionAssert.AreEqual(new[] { "a", "", "", "", "😀", "", "é" }, texts);
        Assert.IsFalse(decoder.HoldsText);
        Assert.AreEqual("", decoder.Append(tokenizer.TokenToId("Ã")!.Value));
        Assert.IsTrue(decoder.HoldsText);
        Assert.AreEqual("\uFFFD", decoder.Finish());
    }

    [TestMethod]
    [DataRow("a . b", "a. b")]
    [DataRow("a ' b", "a'b")]
    [DataRow("do n't , I 'm , it 's we 've you 're ? !", "don't, I'm, it's we've you're?!")]
    [DataRow("a  ' s", "a's", DisplayName = "one rule's result is another rule's match")]
    [DataRow("a 'r", "a 'r")]
    [DataRow("  .  a  ", " .  a  ")]
    public void Append_CleanUp_GivesTheTextOfDecode(string tokens, string expected)
    {
        using var folder = Bytes();
        folder.File("tokenizer_config.json", """
            {"clean_up_tokenization_spaces":true,"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output":true}
            """);
        var tokenizer = folder.Load();
        var ids = tokenizer.Encode(tokens, addSpecialTokens: false);
        var decoder = new TokenStreamDecoder(tokenizer, skipSpecialTokens: false);

        Assert.AreEqual(expected, tokenizer.Decode(ids, skipSpecialTokens: false));
        Assert.AreEqual(expected, string.Concat(ids.Select(decoder.Append)) + decoder.Finish());
    }

    [TestMethod]
    [DataRow("BPE", """{}""", "a .")]
    [DataRow("BPE", """{"clean_up_tokenization_spaces":true}""", "a .", DisplayName = "ignored for byte pairs")]
    [DataRow("Unigram", """{}""", "a .")]
    [DataRow("Unigram", """{"clean_up_tokenization_spaces":null}""", "a .")]
    [DataRow("Unigram", """{"clean_up_tokenization_spaces":false}""", "a .")]
    [DataRow("Unigram", """{"clean_up_tokenization_spaces":true}""", "a.")]
    [DataRow("WordPiece", """{"clean_up_tokenization_spaces":true}""", "a.")]
    public void Decode_CleanUp_FollowsModelAndConfiguration(string model, string configuration, string expected)
    {
        using var folder = new TokenizerFolder().Model("a .").File("tokenizer_config.json", configuration);
        if (model == "Unigram") folder.Set("model", """{"type":"Unigram","vocab":[["a",-1],[".",-1]]}""");
        if (model == "WordPiece") folder.Set("model", """{"type":"WordPiece","vocab":{"a":0,".":1}}""");

        Assert.AreEqual(expected, folder.Load().Decode([0, 1], skipSpecialTokens: false));
    }

    [TestMethod]
    [DataRow("decoder", """{"type":"Sequence","decoders":[]}""", "ab")]
    [DataRow("decoder", """{"type":"Sequence","decoders":[{"type":"Sequence","decoders":[]}]}""", "ab")]
    [DataRow("decoder", """{"type":"Sequence","decoders":[{"type":"Sequence","decoders":[]},{"type":"Fuse"}]}""", "ab")]
    [DataRow("normalizer", """{"type":"Sequence","normalizers":[]}""", "a b")]
    [DataRow("pre_tokenizer", """{"type":"Sequence","pretokenizers":[]}""", "a b")]
    [DataRow("post_processor", """{"type":"Sequence","processors":[]}""", "a b")]
    public void Decode_SequenceWithoutSteps_ChangesNothing(string key, string step, string expected)
    {
        using var folder = new TokenizerFolder().Model("a b").Set(key, step);
        var tokenizer = folder.Load();

        Assert.AreEqual(expected, tokenizer.Decode([.. tokenizer.EncodeToIds("ab")], skipSpecialTokens: false));
    }

    [TestMethod]
    public void Decode_UnknownIdsAndNoDecoder_SkipsThemAndJoinsWithSpaces()
    {
        using var folder = new TokenizerFolder().Model("a b").AddedToken(7, "<s>");
        var tokenizer = folder.Load();

        Assert.AreEqual("a b <s>", tokenizer.Decode([0, 5, 1, 999, -1, 7], skipSpecialTokens: false));
        Assert.AreEqual("a b", tokenizer.Decode([0, 5, 1, 7], skipSpecialTokens: true));
        Assert.IsNull(tokenizer.IdToToken(5));
        Assert.AreEqual(8, tokenizer.VocabularySize);
    }

    [TestMethod]
    public void EncodeToTokens_NormalizedText_OffsetsReferToTheInput()
    {
        using var folder = Bytes().Set("normalizer", """{"type":"NFC"}""").AddedToken(300, "<s>", special: true, """{"rstrip":true}""");
        var tokens = folder.Load().EncodeToTokens("e\u0301<s> 😀x", out _);

        CollectionAssert.AreEqual(new[] { "Ã", "©", "<s>", "ð", "Ł", "ĺ", "Ģ", "x" }, tokens.Select(t => t.Value).ToArray());
        CollectionAssert.AreEqual(new Range[] { 0..1, 0..1, 2..6, 6..8, 6..8, 6..8, 6..8, 8..9 }, tokens.Select(t => t.Offset).ToArray());
    }

    [TestMethod]
    public void EncodeToTokens_PrependedMark_HasTheOffsetOfTheFirstCharacter()
    {
        using var folder = new TokenizerFolder().Model("▁ a ▁a b", "▁ a")
            .Set("normalizer", TokenizerFolder.SentencePieceNormalizer);
        var tokens = folder.Load().EncodeToTokens("ab a", out _);

        CollectionAssert.AreEqual(new Range[] { 0..1, 1..2, 2..4 }, tokens.Select(t => t.Offset).ToArray());
    }

    [TestMethod]
    [DataRow(3, 1, 1, DisplayName = "the bytes of a character stay together")]
    [DataRow(5, 5, 3)]
    [DataRow(100, 6, 4)]
    public void CountTokensAndEncodeToIds_MaximumCount_KeepsCharactersWhole(int maximum, int count, int consumed)
    {
        using var folder = Bytes();
        var tokenizer = folder.Load();
        const string Text = "a😀b";

        Assert.AreEqual(6, tokenizer.CountTokens(Text));
        Assert.HasCount(count, tokenizer.EncodeToIds(Text, maximum, out var normalized, out var charsConsumed));
        Assert.AreEqual(consumed, charsConsumed);
        Assert.IsNull(normalized);
    }

    [TestMethod]
    public void EncodeToIds_WithoutSplittingOrNormalizing_StillMapsToBytes()
    {
        using var folder = Bytes(".a", ". a").Set("normalizer", """{"type":"Lowercase"}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { Id('A') }, tokenizer.EncodeToIds("A", considerNormalization: false).ToArray());
        CollectionAssert.AreEqual(new[] { Id('a') }, tokenizer.EncodeToIds("A").ToArray());
        CollectionAssert.AreEqual(new[] { Id('.'), Id('a') }, tokenizer.EncodeToIds(".a").ToArray());
        CollectionAssert.AreEqual(new[] { 256 }, tokenizer.EncodeToIds(".a", considerPreTokenization: false).ToArray());
    }

    [TestMethod]
    public void Decode_SmallSpan_StopsAtAWholeCharacter()
    {
        using var folder = Bytes();
        var tokenizer = folder.Load();
        var ids = tokenizer.Encode("a😀b", addSpecialTokens: false);
        var text = new char[4];

        Assert.AreEqual(OperationStatus.DestinationTooSmall, tokenizer.Decode(ids, text.AsSpan(0, 2), out var consumed, out var written));
        Assert.AreEqual((1, 1), (consumed, written));
        Assert.AreEqual(OperationStatus.Done, tokenizer.Decode(ids, text, out consumed, out written));
        Assert.AreEqual((6, 4), (consumed, written));
        Assert.AreEqual("a😀b", new string(text));
        Assert.AreEqual("a😀b", tokenizer.Decode(ids));
    }

    [TestMethod]
    public void Encode_LoneSurrogate_CountsAsTheReplacementCharacter()
    {
        using var folder = Bytes();
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(tokenizer.Encode("a\uFFFD", false), tokenizer.Encode("a\uD83D", false));
    }

    [TestMethod]
    public void Encode_ManyThreads_GivesTheSameIds()
    {
        using var folder = Bytes("th he the", "t h, h e, th e");
        var tokenizer = folder.Load();
        var texts = Enumerable.Range(0, 2_000).Select(i => $"the {i} other {i % 7} then").ToArray();
        var alone = Array.ConvertAll(texts, text => string.Join(' ', tokenizer.Encode(text, false)));
        var together = new string[texts.Length];
        Parallel.For(0, texts.Length, i => together[i] = string.Join(' ', tokenizer.Encode(texts[i], false)));

        CollectionAssert.AreEqual(alone, together);
    }

    /// <summary>Creates a tokenizer of the 256 bytes, whose ids are their values, and more tokens.</summary>
    private static TokenizerFolder Bytes(string more = "", string merges = "")
    {
        var tokens = string.Join(' ', Enumerable.Range(0, 256).Select(b => ByteAlphabet.ToCharacter((byte)b))) + (more.Length > 0 ? " " + more : "");
        return new TokenizerFolder().Model(tokens, merges)
            .Set("pre_tokenizer", TokenizerFolder.Gpt2Split).Set("decoder", TokenizerFolder.Gpt2Split);
    }

    private static int Id(char ascii) => ascii;
}
