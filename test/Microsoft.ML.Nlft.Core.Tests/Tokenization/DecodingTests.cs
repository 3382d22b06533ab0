using System.Buffers;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Streams, the inherited methods, offsets and clean-up.</summary>
[TestClass]
public sealed class DecodingTests
{
    [TestMethod]
    public void A_stream_holds_back_the_bytes_of_an_unfinished_character()
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
    public void Clean_up_gives_a_stream_the_same_text(string tokens, string expected)
    {
        using var folder = Bytes();
        folder.File("tokenizer_config.json", """{"clean_up_tokenization_spaces":true}""");
        var tokenizer = folder.Load();
        var ids = tokenizer.Encode(tokens, addSpecialTokens: false);
        var decoder = new TokenStreamDecoder(tokenizer, skipSpecialTokens: false);

        Assert.AreEqual(expected, tokenizer.Decode(ids, skipSpecialTokens: false));
        Assert.AreEqual(expected, string.Concat(ids.Select(decoder.Append)) + decoder.Finish());
    }

    [TestMethod]
    public void Clean_up_is_the_default_and_can_be_declined()
    {
        using var byDefault = Bytes();
        using var declined = Bytes().File("tokenizer_config.json", """{"clean_up_tokenization_spaces":false}""");

        Assert.AreEqual("a.", byDefault.Load().Decode([Id('a'), Id(' '), Id('.')], skipSpecialTokens: false));
        Assert.AreEqual("a .", declined.Load().Decode([Id('a'), Id(' '), Id('.')], skipSpecialTokens: false));
    }

    [TestMethod]
    public void Ids_without_a_token_leave_no_text_and_without_a_decoder_tokens_are_spaced()
    {
        using var folder = new TokenizerFolder().Model("a b").AddedToken(7, "<s>");
        var tokenizer = folder.Load();

        Assert.AreEqual("a b <s>", tokenizer.Decode([0, 5, 1, 999, -1, 7], skipSpecialTokens: false));
        Assert.AreEqual("a b", tokenizer.Decode([0, 5, 1, 7], skipSpecialTokens: true));
        Assert.IsNull(tokenizer.IdToToken(5));
        Assert.AreEqual(8, tokenizer.VocabularySize);
    }

    [TestMethod]
    public void Offsets_are_places_in_the_text_as_given()
    {
        using var folder = Bytes().Set("normalizer", """{"type":"NFC"}""").AddedToken(300, "<s>", special: true, """{"rstrip":true}""");
        var tokens = folder.Load().EncodeToTokens("e\u0301<s> 😀x", out _);

        CollectionAssert.AreEqual(new[] { "Ã", "©", "<s>", "ð", "Ł", "ĺ", "Ģ", "x" }, tokens.Select(t => t.Value).ToArray());
        CollectionAssert.AreEqual(new Range[] { 0..2, 0..2, 2..6, 6..8, 6..8, 6..8, 6..8, 8..9 }, tokens.Select(t => t.Offset).ToArray());
    }

    [TestMethod]
    public void A_prepended_mark_comes_from_nowhere()
    {
        using var folder = new TokenizerFolder().Model("▁ a ▁a b", "▁ a")
            .Set("normalizer", """{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}""");
        var tokens = folder.Load().EncodeToTokens("ab a", out _);

        CollectionAssert.AreEqual(new Range[] { 0..1, 1..2, 2..4 }, tokens.Select(t => t.Offset).ToArray());
    }

    [TestMethod]
    [DataRow(3, 1, 1, DisplayName = "the bytes of a character stay together")]
    [DataRow(5, 5, 3)]
    [DataRow(100, 6, 4)]
    public void The_inherited_methods_count_and_cut(int most, int count, int consumed)
    {
        using var folder = Bytes();
        var tokenizer = folder.Load();
        const string Text = "a😀b";

        Assert.AreEqual(6, tokenizer.CountTokens(Text));
        Assert.HasCount(count, tokenizer.EncodeToIds(Text, most, out var normalized, out var charsConsumed));
        Assert.AreEqual(consumed, charsConsumed);
        Assert.IsNull(normalized);
    }

    [TestMethod]
    public void Without_splitting_and_normalizing_the_bytes_remain()
    {
        using var folder = Bytes(".a", ". a").Set("normalizer", """{"type":"Lowercase"}""");
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { Id('A') }, tokenizer.EncodeToIds("A", considerNormalization: false).ToArray());
        CollectionAssert.AreEqual(new[] { Id('a') }, tokenizer.EncodeToIds("A").ToArray());
        CollectionAssert.AreEqual(new[] { Id('.'), Id('a') }, tokenizer.EncodeToIds(".a").ToArray());
        CollectionAssert.AreEqual(new[] { 256 }, tokenizer.EncodeToIds(".a", considerPreTokenization: false).ToArray());
    }

    [TestMethod]
    public void Decoding_into_a_span_stops_at_a_whole_character()
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
    public void Half_a_surrogate_pair_counts_as_the_replacement_character()
    {
        using var folder = Bytes();
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(tokenizer.Encode("a\uFFFD", false), tokenizer.Encode("a\uD83D", false));
    }

    [TestMethod]
    public void Many_threads_share_a_tokenizer()
    {
        using var folder = Bytes("th he the", "t h, h e, th e");
        var tokenizer = folder.Load();
        var texts = Enumerable.Range(0, 2_000).Select(i => $"the {i} other {i % 7} then").ToArray();
        var alone = Array.ConvertAll(texts, text => string.Join(' ', tokenizer.Encode(text, false)));
        var together = new string[texts.Length];
        Parallel.For(0, texts.Length, i => together[i] = string.Join(' ', tokenizer.Encode(texts[i], false)));

        CollectionAssert.AreEqual(alone, together);
    }

    /// <summary>The 256 bytes, ids by byte, and more tokens.</summary>
    private static TokenizerFolder Bytes(string more = "", string merges = "")
    {
        var tokens = string.Join(' ', Enumerable.Range(0, 256).Select(b => ByteAlphabet.ToCharacter((byte)b))) + (more.Length > 0 ? " " + more : "");
        return new TokenizerFolder().Model(tokens, merges)
            .Set("pre_tokenizer", TokenizerFolder.Gpt2Split).Set("decoder", TokenizerFolder.Gpt2Split);
    }

    private static int Id(char ascii) => ascii;
}
