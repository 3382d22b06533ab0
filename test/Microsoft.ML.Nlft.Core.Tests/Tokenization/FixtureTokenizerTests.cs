using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Real tokenizer.json files against what Hugging Face gives.</summary>
[TestClass]
public sealed class FixtureTokenizerTests
{
    public static IEnumerable<object[]> Folders => Fixtures.Folders("fixtures", "tokenizers");

    [TestMethod, TestCategory("Conformance")]
    [DynamicData(nameof(Folders))]
    public void Ids_and_decoded_text_are_those_of_Hugging_Face(string name)
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
            Assert.AreEqual(item.GetProperty("decoded_with_special").GetString(), tokenizer.Decode(ids, skipSpecialTokens: false), input);
            Assert.AreEqual(item.GetProperty("decoded_without_special").GetString(), tokenizer.Decode(ids, skipSpecialTokens: true), input);
            Assert.AreEqual(item.GetProperty("decoded_without_special").GetString(), Stream(tokenizer, ids), input);
        }
    }

    [TestMethod, TestCategory("Conformance")]
    [DynamicData(nameof(Folders))]
    public void Offsets_of_the_tokens_cover_the_text(string name)
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

    private static string Stream(HuggingFaceTokenizer tokenizer, int[] ids)
    {
        var decoder = new TokenStreamDecoder(tokenizer, skipSpecialTokens: true);
        return string.Concat(ids.Select(decoder.Append)) + decoder.Finish();
    }
}
