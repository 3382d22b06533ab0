namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Added tokens: flags, order, plain text.</summary>
[TestClass]
public sealed class AddedTokenTests
{
    private const int A = 0, B = 1, Blank = 2, Token = 9;

    [TestMethod]
    // No flags: found anywhere, even inside a word.
    [DataRow("{}", "aXa", new[] { A, Token, A })]
    [DataRow("{}", "a X a", new[] { A, Blank, Token, Blank, A })]
    // Single word: not next to a word character, of any script.
    [DataRow("""{"single_word":true}""", "a X a", new[] { A, Blank, Token, Blank, A })]
    [DataRow("""{"single_word":true}""", "aX", new[] { A })]
    [DataRow("""{"single_word":true}""", "X𝒜", new int[0])]
    [DataRow("""{"single_word":true}""", "X", new[] { Token })]
    // White space to the left, to the right.
    [DataRow("""{"lstrip":true}""", "a \n X a", new[] { A, Token, Blank, A })]
    [DataRow("""{"rstrip":true}""", "a X \n a", new[] { A, Blank, Token, A })]
    [DataRow("""{"lstrip":true,"rstrip":true}""", "a X a", new[] { A, Token, A })]
    [DataRow("""{"lstrip":true,"rstrip":true}""", "X  X", new[] { Token, Token })]
    // Normalized: looked for in lower case within lower case.
    [DataRow("""{"normalized":true}""", "a x", new[] { A, Blank, Token })]
    [DataRow("""{"normalized":false}""", "a x", new[] { A, Blank })]
    public void Flags(string flags, string text, int[] ids)
    {
        using var folder = Small().AddedToken(Token, "X", special: true, flags);

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: false));
    }

    [TestMethod]
    public void The_leftmost_and_then_the_longest_token_is_taken()
    {
        using var folder = Small().AddedToken(9, "[a]").AddedToken(10, "[a][b]").AddedToken(11, "]b");

        CollectionAssert.AreEqual(new[] { 10, 9, B, 9 }, folder.Load().Encode("[a][b][a]b[a]", addSpecialTokens: false));
    }

    [TestMethod]
    public void Tokens_as_given_are_taken_before_normalized_ones()
    {
        using var folder = Small().AddedToken(3, "ab", special: false, """{"normalized":true}""").AddedToken(10, "b!", special: true, """{"normalized":false}""");

        CollectionAssert.AreEqual(new[] { A, 10, 3 }, folder.Load().Encode("ab!ab", addSpecialTokens: false));
    }

    [TestMethod]
    public void Unless_told_otherwise_special_tokens_are_not_normalized_and_others_are()
    {
        using var folder = Small().AddedToken(9, "S", special: true).AddedToken(10, "N", special: false);
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { 10, 9 }, tokenizer.Encode("sNnS", addSpecialTokens: false)[1..]);
        CollectionAssert.AreEqual(new[] { "S" }, tokenizer.SpecialTokens.Keys.ToArray());
    }

    [TestMethod]
    public void In_plain_text_no_token_is_recognised_and_no_cut_is_made()
    {
        using var folder = Small().AddedToken(9, "<|").AddedToken(10, "<|a|>");
        var tokenizer = folder.Load();
        const string Text = "<|a|>ab<|a|>";

        CollectionAssert.AreEqual(new[] { 10, 3, 10 }, tokenizer.Encode(Text, false));
        CollectionAssert.AreEqual(new[] { 10, 3, 5, 6, A, 6, 7 }, tokenizer.Encode(Text, false, [5..12]), "the token in the range is text");
        CollectionAssert.AreEqual(new[] { 10, 3, 10 }, tokenizer.Encode(Text, false, [6..7]), "'ab' is one piece though the range cuts it");
        CollectionAssert.AreEqual(new[] { 9, A, 6, 7, 3, 10 }, tokenizer.Encode(Text, false, [2..4]), "a shorter token outside of the range is still one");
        CollectionAssert.AreEqual(new[] { 5, 6, A, 6, 7, 3, 5, 6, A, 6, 7 }, tokenizer.Encode(Text, false, [Range.All]));
        CollectionAssert.AreEqual(new[] { 10, 3, 10 }, tokenizer.Encode(Text, false, [3..3]), "an empty range protects nothing");
    }

    [TestMethod]
    public void A_range_outside_the_text_is_refused()
    {
        using var folder = Small();
        var tokenizer = folder.Load();

        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => tokenizer.Encode("ab", false, [1..5]));
    }

    [TestMethod]
    public void Names_come_from_the_configuration_and_then_from_the_map()
    {
        using var folder = Small()
            .File("tokenizer_config.json", """{"bos_token":{"__type":"AddedToken","content":"<s>","lstrip":false},"eos_token":"</s>","pad_token":null}""")
            .File("special_tokens_map.json", """{"bos_token":"[no]","pad_token":{"content":"<pad>"}}""");
        var tokenizer = folder.Load();

        Assert.AreEqual("<s>", tokenizer.BeginningOfSequenceToken);
        Assert.AreEqual("</s>", tokenizer.EndOfSequenceToken);
        Assert.AreEqual("<pad>", tokenizer.PaddingToken);
        Assert.IsNull(tokenizer.UnknownToken);
    }

    /// <summary>Lower case; "ab" is one token; what is not in the vocabulary is dropped.</summary>
    private static TokenizerFolder Small() => new TokenizerFolder()
        .Set("normalizer", """{"type":"Lowercase"}""")
        .Set("model", """{"type":"BPE","vocab":{"a":0,"b":1," ":2,"ab":3,"!":4,"<":5,"|":6,">":7,"\n":8},"merges":[["a","b"]]}""");
}
