using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Text that a tokenizer.json would lengthen without end, and expressions that take too long together, end in a refusal.</summary>
[TestClass]
public sealed class TokenizerGrowthTests
{
    private const string Thousand = """{"type":"Replace","pattern":{"String":"a"},"content":"AAAA"}""";

    [TestMethod]
    [DataRow("{0}")]
    [DataRow("""{"type":"Sequence","normalizers":[{0}]}""")]
    [DataRow("""{"type":"Sequence","normalizers":[{"type":"NFC"},{0},{"type":"Lowercase"},{0},{0}]}""")]
    [DataRow("""{"type":"Sequence","normalizers":[{"type":"Sequence","normalizers":[{0}]},{0}]}""")]
    [DataRow("""{"type":"Prepend","prepend":"AAAA"}""")]
    [DataRow("""{"type":"Replace","pattern":{"Regex":""},"content":"AAAA"}""")]
    public void Encode_NormalizerThatLengthensText_IsRefusedBeforeItsTextIsMade(string normalizer)
    {
        using var folder = new TokenizerFolder().Model("a b").Set("normalizer",
            normalizer.Replace("{0}", Thousand).Replace("AAAA", new string('a', 100_000)));
        RefuseGrowth(() => folder.Load().Encode(new string('a', 1_000), addSpecialTokens: false), "normalizer");
    }

    [TestMethod]
    public void Encode_ManyPiecesThatEachGrow_ShareOneLimit()
    {
        using var folder = new TokenizerFolder().Model("a b").AddedToken(2, "<x>");
        folder.Set("normalizer", Thousand.Replace("AAAA", new string('a', 4_000)));
        var text = string.Concat(Enumerable.Repeat("a<x>", 1_000));
        RefuseGrowth(() => folder.Load().Encode(text, addSpecialTokens: false), "normalizer");
    }

    [TestMethod]
    [DataRow("{0}")]
    [DataRow("""{"type":"Sequence","decoders":[{0},{0},{0}]}""")]
    [DataRow("""{"type":"Sequence","decoders":[{"type":"Fuse"},{0},{"type":"Fuse"},{0}]}""")]
    [DataRow("""{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"Regex":""},"content":"AAAA"},{0}]}""")]
    [DataRow("""{"type":"Sequence","decoders":[{"type":"ByteFallback"},{0},{0}]}""")]
    public void Decode_DecoderThatLengthensText_IsRefusedBeforeItsTextIsMade(string decoder)
    {
        using var folder = new TokenizerFolder().Model("a b").Set("decoder",
            decoder.Replace("{0}", Thousand).Replace("AAAA", new string('a', 50_000)));
        var tokenizer = folder.Load();
        RefuseGrowth(() => tokenizer.Decode([0, 0, 0], skipSpecialTokens: false), "decoder");
    }

    [TestMethod]
    [DataRow("""\b""", 1_000_000)]
    [DataRow("""\w""", 1_000_000)]
    [DataRow("""[\w]""", 1_000_000)]
    [DataRow("a|", 1_000_000)]
    [DataRow("""\B""", 1_000)]
    public void Load_ExpressionThatGrows_IsRefusedBeforeItIsTranslated(string unit, int count)
    {
        var pattern = JsonSerializer.SerializeToElement(string.Concat(Enumerable.Repeat(unit, count)));
        var place = new JsonPlace(pattern, new JsonSource("tokenizer.json"), "pre_tokenizer.pattern.Regex");
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Assert.ThrowsExactly<NlftException>(() => RegexMatcher.Compile(place)).Message;
        StringAssert.Contains(message, "a regular expression without more than 24000 characters");
        Assert.IsLessThan(64L << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>.NET's own limit of a class is higher, and is not checked: beyond it, matches are missed or an index is out of range.</summary>
    [TestMethod]
    [DataRow("""[(\p{L})]""", 4_700)]
    [DataRow("""[(\P{L})]""", 4_700)]
    [DataRow("""[(\w)]""", 300)]
    [DataRow("""[^(\s)]""", 11_900)]
    [DataRow("""\d(|\p{Nd})""", 3_400)]
    [DataRow("""(?i)[a(\p{Lu})]""", 3_900)]
    public void Find_ClassAtTheLimit_MatchesAsASmallOne(string pattern, int count)
    {
        var unit = pattern[(pattern.LastIndexOf('(') + 1)..pattern.LastIndexOf(')')];
        var small = Compile(Repeated(1));
        foreach (var text in (string[])["aé1 中K", "K٣-a", "  _b²"])
            CollectionAssert.AreEqual(Matches(small, text), Matches(Compile(Repeated(count)), text));
        Assert.ThrowsExactly<NlftException>(() => Compile(Repeated(6 * count)));

        string Repeated(int times) => pattern.Replace($"({unit})", string.Concat(Enumerable.Repeat(unit, times)));
    }

    /// <summary>Every second character of a range, so that no two join, and the letters that have a case.</summary>
    [TestMethod]
    [DataRow("[{0}]")]
    [DataRow("[^{0}]")]
    [DataRow("(?i)[{0}]")]
    [DataRow("(?i)[^{0}]")]
    [DataRow("(?i:[{0}])+")]
    public void Find_ClassOfManyCharacters_MatchesThemAlone(string pattern)
    {
        var letters = Enumerable.Range('A', 0x2000).Select(c => (char)c).Where(c => char.ToUpperInvariant(c) != char.ToLowerInvariant(c));
        var alternate = Enumerable.Range(0, 10_300).Select(i => (char)(0x4E00 + (2 * i)));
        var matcher = Compile(pattern.Replace("{0}", string.Concat(letters.Concat(alternate))));
        var members = pattern.Contains('^') ? "一B\u4e02k" : "丁4-\u4e03";
        Assert.HasCount(0, Matches(matcher, members));
        Assert.AreEqual(4, Matches(matcher, pattern.Contains('^') ? "丁4-\u4e03" : "一B\u4e02k").Sum(match => match.Item2 - match.Item1));
    }

    private static RegexMatcher Compile(string pattern) =>
        RegexMatcher.Compile(new JsonPlace(JsonSerializer.SerializeToElement(pattern), new JsonSource("tokenizer.json"), "normalizer.pattern.Regex"));

    private static List<(int, int)> Matches(RegexMatcher matcher, string text)
    {
        var matches = new List<(int, int)>();
        matcher.Find(text, matches, new TextBudget(text.Length));
        return matches;
    }

    [TestMethod]
    [DataRow("a")]
    [DataRow("(?=a)")]
    [DataRow("a|b")]
    [DataRow("(a)")]
    [DataRow("[^b]")]
    public void Find_ManyMatchesThatTakeTime_EndWithTheTimeOfTheCall(string pattern)
    {
        var place = new JsonPlace(JsonSerializer.SerializeToElement(pattern), new JsonSource("tokenizer.json"), "normalizer.pattern.Regex");
        var (matcher, matches, budget) = (RegexMatcher.Compile(place), new List<(int, int)>(), new TextBudget(100, new SlowClock()));
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => matcher.Find(new string('a', 100), matches, budget)).Message,
            "tokenizer.json, \"normalizer.pattern.Regex\": found no end to matching a text of 100 characters; expected all matches of a text within");
        Assert.HasCount(6, matches);

        // The next expression of the same call has no time left.
        Assert.ThrowsExactly<NlftException>(() => matcher.Find("a", matches, budget));
    }

    [TestMethod]
    [DataRow("""{"type":"Strip","content":"a","start":0,"stop":2}""", "baaaa", "baa")]
    [DataRow("""{"type":"Strip","content":"a","start":1,"stop":1}""", "aaaa", "aa")]
    [DataRow("""{"type":"Strip","content":"a","start":0,"stop":9}""", "baaab", "baaab")]
    [DataRow("""{"type":"Strip","content":"a","start":0,"stop":9}""", "aaa", "")]
    [DataRow("""{"type":"Strip","content":"b","start":3,"stop":0}""", "bbab", "ab")]
    public void Decode_StripAfterFuse_RemovesTheEnds(string strip, string tokens, string expected)
    {
        using var folder = new TokenizerFolder().Model("a b").Set("decoder", $$"""{"type":"Sequence","decoders":[{"type":"Fuse"},{{strip}}]}""");
        Assert.AreEqual(expected, folder.Load().Decode([.. tokens.Select(letter => letter - 'a')], skipSpecialTokens: false));
    }

    [TestMethod]
    [DataRow("continuing_subword_prefix", "BPE")]
    [DataRow("end_of_word_suffix", "BPE")]
    [DataRow("continuing_subword_prefix", "WordPiece")]
    public void Load_AffixOfAMillionCharacters_IsRefused(string key, string type)
    {
        using var folder = new TokenizerFolder().Model("[UNK] a b");
        folder.Set("model", $$"""{"type":"{{type}}","vocab":{"[UNK]":0,"a":1},"merges":[],"{{key}}":"{{new string('a', 1_000_000)}}"}""");
        Assert.Contains($"\"model.{key}\": found", Assert.ThrowsExactly<NlftException>(() => folder.Load()).Message);
    }

    private static void RefuseGrowth(Action work, string key)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Assert.ThrowsExactly<NlftException>(work);
        Assert.AreEqual($"tokenizer.json, \"{key}\"", refusal.Subject);
        Assert.IsLessThan(64L << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>A clock that moves a second at every look.</summary>
    private sealed class SlowClock : TimeProvider
    {
        private long _seconds;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _seconds++;
    }
}
