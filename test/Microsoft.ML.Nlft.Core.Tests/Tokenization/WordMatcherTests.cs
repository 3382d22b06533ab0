using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Compares <see cref="WordMatcher"/> with the same patterns on the regular-expression engine.</summary>
[TestClass]
public sealed class WordMatcherTests
{
    /// <summary>Characters of every kind that the patterns distinguish, within and beyond U+FFFF.</summary>
    private static readonly string[] Characters =
    [
        "a", "b", "Z", "é", "ß", "ǅ", "ʰ", "東", "ا", "𝒜", "𐐀", "𠀀",
        "1", "2", "9", "٣", "Ⅷ", "½", "𝟘", "𐄇",
        " ", " ", " ", "\n", "\r", "\t", "\u00A0", "\u3000", "\u2028", "\u0085",
        ".", ",", "!", "$", "+", "_", "(", "'", "'", "…", "😀", "\u0301", "\u200D", "𝆕", "\u0378", "\uE000", "\0",
    ];

    private static readonly string[] Snippets = ["'s", "'LL", "'Re", "'t", "'d", "'m", "'ve", "'r", "'l", "\r\n", "  \n", "123", "don't"];

    [TestMethod]
    [DataRow(WordMatcher.Gpt2Pattern)]
    [DataRow(WordMatcher.Llama3Pattern)]
    [DataRow(WordMatcher.QwenPattern)]
    public void Find_RandomTexts_MatchesTheRegularExpression(string pattern)
    {
        var oracle = RegexMatcher.Compile(new JsonPlace(JsonDocument.Parse(JsonSerializer.Serialize(pattern)).RootElement, new("test"), "pattern"));
        var sut = WordMatcher.ForPattern(pattern)!;
        var random = new Random(20250101);
        for (var round = 0; round < 20_000; round++)
        {
            var text = new StringBuilder();
            for (var length = random.Next(1, 16); length > 0; length--)
            {
                text.Append(random.Next(5) == 0 ? Snippets[random.Next(Snippets.Length)] : Characters[random.Next(Characters.Length)]);
            }

            AssertSame(text.ToString(), oracle, sut);
        }
    }

    [TestMethod]
    [DataRow(WordMatcher.Gpt2Pattern)]
    [DataRow(WordMatcher.Llama3Pattern)]
    [DataRow(WordMatcher.QwenPattern)]
    public void Find_EveryCharacter_MatchesTheRegularExpression(string pattern)
    {
        var oracle = RegexMatcher.Compile(new JsonPlace(JsonDocument.Parse(JsonSerializer.Serialize(pattern)).RootElement, new("test"), "pattern"));
        var sut = WordMatcher.ForPattern(pattern)!;
        foreach (var block in Enumerable.Range(0, 0x10000).Where(Rune.IsValid).Chunk(512))
        {
            AssertSame(string.Concat(block.Select(code => $"a{(char)code}1{(char)code} {(char)code}.{(char)code}{(char)code}")), oracle, sut);
        }
    }

    [TestMethod]
    public void Find_LongS_CountsAsAnS()
    {
        var matches = new List<(int Start, int End)>();
        WordMatcher.ForPattern(WordMatcher.QwenPattern)!.Find("a'ſa", matches, new());

        CollectionAssert.AreEqual(new[] { (0, 1), (1, 3), (3, 4) }, matches);
    }

    [TestMethod]
    public void ForPattern_OtherPattern_ReturnsNull() => Assert.IsNull(WordMatcher.ForPattern(WordMatcher.QwenPattern + "|x"));

    private static void AssertSame(string text, IMatcher oracle, IMatcher sut)
    {
        var (expected, actual) = (new List<(int, int)>(), new List<(int, int)>());
        oracle.Find(text, expected, new());
        sut.Find(text, actual, new());
        if (!expected.SequenceEqual(actual))
        {
            Assert.Fail($"{JsonSerializer.Serialize(text)}: expected {string.Join(' ', expected)}, was {string.Join(' ', actual)}");
        }
    }
}
