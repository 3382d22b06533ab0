using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>
/// Compares real tokenizer.json files with recorded results of Hugging Face tokenizers before version 0.23: by default they cleaned spaces up, and
/// they left normalized special tokens out of decoded text.
/// </summary>
[TestClass]
public sealed class FixtureTokenizerTests
{
    public static IEnumerable<object[]> Folders => Fixtures.Folders("fixtures", "tokenizers");

    [TestMethod, TestCategory("Conformance")]
    [DynamicData(nameof(Folders))]
    public void EncodeAndDecode_RealTokenizer_MatchHuggingFace(string name)
    {
        var tokenizer = HuggingFaceTokenizer.Load(Fixtures.Path_("fixtures", "tokenizers", name));
        if (!File.Exists(Fixtures.Path_("fixtures", "tokenizers", name, "cases.json")))
        {
            const string Text = "Round trip: 3 + 4 = 7.\n\tÜber 東京 👩‍🚀!";
            Assert.AreEqual(Text, tokenizer.Decode(tokenizer.Encode(Text, addSpecialTokens: false), skipSpecialTokens: false));
            return;
        }

        using var cases = Fixtures.Json("fixtures", "tokenizers", name, "cases.json");
        Assert.IsGreaterThan(0, cases.RootElement.GetArrayLength());
        foreach (var item in cases.RootElement.EnumerateArray())
        {
            var input = item.GetProperty("input").GetString()!;
            var ids = item.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            CollectionAssert.AreEqual(ids, tokenizer.Encode(input, addSpecialTokens: true), $"{name}: {input}");
            var ordinary = ids.Except(tokenizer.SpecialTokens.Values).ToHashSet();
            int[] plain = [.. ids.Where(ordinary.Contains)];
            Assert.AreEqual(item.GetProperty("decoded_with_special").GetString(), Cleaned(name, tokenizer.Decode(ids, false)), input);
            Assert.AreEqual(item.GetProperty("decoded_without_special").GetString(), Cleaned(name, tokenizer.Decode(plain, true)), input);
            Assert.AreEqual(item.GetProperty("decoded_without_special").GetString(), Cleaned(name, Stream(tokenizer, plain)), input);
        }
    }

    [TestMethod, TestCategory("Conformance")]
    [DynamicData(nameof(Folders))]
    public void EncodeToTokens_RealTokenizer_OffsetsCoverTheText(string name)
    {
        var tokenizer = HuggingFaceTokenizer.Load(Fixtures.Path_("fixtures", "tokenizers", name));
        const string Text = "It's 12 o'clock in Zürich, 東京 and 👩‍🚀 space.";
        var tokens = tokenizer.EncodeToTokens(Text, out var normalized);

        Assert.IsNull(normalized);
        CollectionAssert.AreEqual(tokenizer.Encode(Text, addSpecialTokens: false), tokens.Select(t => t.Id).ToArray());
        var end = 0;
        foreach (var token in tokens)
        {
            Assert.IsLessThanOrEqualTo(end, token.Offset.Start.Value, $"gap before {token.Value}");
            end = Math.Max(end, token.Offset.End.Value);
            Assert.IsTrue(token.Offset.End.Value == Text.Length || !char.IsLowSurrogate(Text[token.Offset.End.Value]), token.Value);
        }

        Assert.AreEqual(Text.Length, end);
    }

    /// <summary>Cleans spaces up unless the folder says otherwise.</summary>
    private static string Cleaned(string name, string text) =>
        File.Exists(Fixtures.Path_("fixtures", "tokenizers", name, "tokenizer_config.json")) ? text : CleanUpStage.Apply(text);

    private static string Stream(HuggingFaceTokenizer tokenizer, int[] ids)
    {
        var decoder = new TokenStreamDecoder(tokenizer, skipSpecialTokens: true);
        return string.Concat(ids.Select(decoder.Append)) + decoder.Finish();
    }
}
