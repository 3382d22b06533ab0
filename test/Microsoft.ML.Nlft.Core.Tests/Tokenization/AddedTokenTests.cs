namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Tests added tokens: flags, precedence and plain-text ranges.</summary>
[TestClass]
public sealed class AddedTokenTests
{
    private const int A = 0, B = 1, Blank = 2, Token = 9;

    [TestMethod]
    // No flags: matched anywhere, even inside a word.
    [DataRow("{}", "aXa", new[] { A, Token, A })]
    [DataRow("{}", "a X a", new[] { A, Blank, Token, Blank, A })]
    // Single word: not next to a word character of any script.
    [DataRow("""{"single_word":true}""", "a X a", new[] { A, Blank, Token, Blank, A })]
    [DataRow("""{"single_word":true}""", "aX", new[] { A })]
    [DataRow("""{"single_word":true}""", "X𝒜", new int[0])]
    [DataRow("""{"single_word":true}""", "X", new[] { Token })]
    // Strip: the match includes white space to the left or right.
    [DataRow("""{"lstrip":true}""", "a \n X a", new[] { A, Token, Blank, A })]
    [DataRow("""{"rstrip":true}""", "a X \n a", new[] { A, Blank, Token, A })]
    [DataRow("""{"lstrip":true,"rstrip":true}""", "a X a", new[] { A, Token, A })]
    [DataRow("""{"lstrip":true,"rstrip":true}""", "X  X", new[] { Token, Token })]
    // Normalized: the lowercase token is matched in the lowercase text.
    [DataRow("""{"normalized":true}""", "a x", new[] { A, Blank, Token })]
    [DataRow("""{"normalized":false}""", "a x", new[] { A, Blank })]
    public void Encode_TokenFlags_DecideWhereTheTokenMatches(string flags, string text, int[] ids)
    {
        using var folder = Small().AddedToken(Token, "X", special: true, flags);

        CollectionAssert.AreEqual(ids, folder.Load().Encode(text, addSpecialTokens: false));
    }

    [TestMethod]
    public void Encode_OverlappingTokens_TakesTheLeftmostThenTheLongest()
    {
        using var folder = Small().AddedToken(9, "[a]").AddedToken(10, "[a][b]").AddedToken(11, "]b");

        CollectionAssert.AreEqual(new[] { 10, 9, B, 9 }, folder.Load().Encode("[a][b][a]b[a]", addSpecialTokens: false));
    }

    [TestMethod]
    public void Encode_NormalizedAndUnnormalizedTokens_TakesUnnormalizedFirst()
    {
        using var folder = Small()
            .AddedToken(3, "ab", special: false, """{"normalized":true}""")
            .AddedToken(10, "b!", special: true, """{"normalized":false}""");

        CollectionAssert.AreEqual(new[] { A, 10, 3 }, folder.Load().Encode("ab!ab", addSpecialTokens: false));
    }

    [TestMethod]
    public void Encode_NoNormalizedFlag_NormalizesAllButSpecialTokens()
    {
        using var folder = Small().AddedToken(9, "S", special: true).AddedToken(10, "N", special: false);
        var tokenizer = folder.Load();

        CollectionAssert.AreEqual(new[] { 10, 9 }, tokenizer.Encode("sNnS", addSpecialTokens: false)[1..]);
        CollectionAssert.AreEqual(new[] { "S" }, tokenizer.SpecialTokens.Keys.ToArray());
    }

    [TestMethod]
    public void Encode_PlainTextRange_FindsNoTokenAndDoesNotSplit()
    {
        using var folder = Small().AddedToken(9, "<|").AddedToken(10, "<|a|>");
        var tokenizer = folder.Load();
        const string Text = "<|a|>ab<|a|>";

        CollectionAssert.AreEqual(new[] { 10, 3, 10 }, tokenizer.Encode(Text, false));
        CollectionAssert.AreEqual(new[] { 10, 3, 5, 6, A, 6, 7 }, tokenizer.Encode(Text, false, [5..12]), "the token in the range is plain text");
        CollectionAssert.AreEqual(new[] { 10, 3, 10 }, tokenizer.Encode(Text, false, [6..7]), "'ab' stays one piece though the range ends inside");
        CollectionAssert.AreEqual(new[] { 9, A, 6, 7, 3, 10 }, tokenizer.Encode(Text, false, [2..4]), "a shorter token before the range matches");
        CollectionAssert.AreEqual(new[] { 5, 6, A, 6, 7, 3, 5, 6, A, 6, 7 }, tokenizer.Encode(Text, false, [Range.All]));
        CollectionAssert.AreEqual(new[] { 10, 3, 10 }, tokenizer.Encode(Text, false, [3..3]), "an empty range protects nothing");
    }

    [TestMethod]
    public void Encode_RangeOutsideTheText_Throws()
    {
        using var folder = Small();
        var tokenizer = folder.Load();

        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => tokenizer.Encode("ab", false, [1..5]));
    }

    /// <summary>Creates a tokenizer that lowercases, has "ab" as one token and drops unknown characters.</summary>
    private static TokenizerFolder Small() => new TokenizerFolder()
        .Set("normalizer", """{"type":"Lowercase"}""")
        .Set("model", """{"type":"BPE","vocab":{"a":0,"b":1," ":2,"ab":3,"!":4,"<":5,"|":6,">":7,"\n":8},"merges":[["a","b"]]}""");
}
