using System.Text.Json;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Compares tokenizers of every kind with what transformers makes of them: ids, tokens, offsets, decoded texts and their prefixes.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class GoldenTokenizerTests
{
    /// <summary>
    /// Folders where Hugging Face counts offsets past characters that it drops, or bytes that it puts before an unknown character: its offsets are
    /// those of other characters there.
    /// </summary>
    private static readonly string[] s_shifted = ["bpe-unk-dropped", "byte-fallback-with-holes"];

    /// <summary>A character that the real model's vocabulary lacks, and that is dropped therefore.</summary>
    private const char DroppedByRealModel = '\u0004';

    public static IEnumerable<object[]> Folders => Fixtures.Folders("golden", "tokenizers")
        .Concat(File.Exists(RealModel.Path) ? [new object[] { RealModel.Name }] : []);

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void Encode_EveryText_GivesTheIdsAndTokens(string name)
    {
        var (tokenizer, expected) = Load(name);
        var failures = new List<string>();
        foreach (var item in expected.GetProperty("cases").EnumerateArray())
        {
            var text = item.GetProperty("text").GetString()!;
            var ids = Ints(item.GetProperty("ids"));
            var found = tokenizer.Encode(text, addSpecialTokens: false);
            Compare(failures, text, "ids", ids, found);
            Compare(failures, text, "ids with special tokens", WithSpecial(item), tokenizer.Encode(text, addSpecialTokens: true));
            if (item.TryGetProperty("tokens", out var tokens))
            {
                Compare(failures, text, "tokens", [.. tokens.EnumerateArray().Select(token => token.GetString()!)],
                    [.. ids.Select(tokenizer.IdToToken)]);
            }
        }

        Report(failures);
    }

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void EncodeToTokens_EveryText_GivesTheOffsets(string name)
    {
        var (tokenizer, expected) = Load(name);
        var failures = new List<string>();
        foreach (var item in expected.GetProperty("cases").EnumerateArray())
        {
            var text = item.GetProperty("text").GetString()!;
            var points = CodePoints(text);
            var tokens = tokenizer.EncodeToTokens(text, out _);
            Compare(failures, text, "ids", Ints(item.GetProperty("ids")), [.. tokens.Select(token => token.Id)]);
            if (s_shifted.Contains(name) || (name == RealModel.Name && text.Contains(DroppedByRealModel))) continue;

            Compare(failures, text, "offsets",
                [.. item.GetProperty("offsets").EnumerateArray().Select(pair => $"{pair[0]}-{pair[1]}")],
                [.. tokens.Select(token => $"{points[token.Offset.Start.Value]}-{points[token.Offset.End.Value]}")]);
        }

        Report(failures);
    }

    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void Decode_EveryText_GivesTheTextsAndTheirPrefixes(string name)
    {
        var (tokenizer, expected) = Load(name);
        var failures = new List<string>();
        foreach (var item in expected.GetProperty("cases").EnumerateArray())
        {
            var (text, ids) = (item.GetProperty("text").GetString()!, WithSpecial(item));
            foreach (var (key, skips) in new[] { ("decoded_with_special", false), ("decoded_without_special", true) })
            {
                Compare(failures, text, key, [item.GetProperty(key).GetString()!], [tokenizer.Decode(ids, skips)]);
                Compare(failures, text, $"{key}, streamed", [item.GetProperty(key).GetString()!], [Stream(tokenizer, ids, skips)]);
            }
        }

        foreach (var item in expected.GetProperty("decode_prefixes").EnumerateArray())
        {
            var text = item.GetProperty("text").GetString()!;
            var ids = tokenizer.Encode(text, addSpecialTokens: false);
            foreach (var prefix in item.GetProperty("prefixes").EnumerateArray())
            {
                var (count, decoded) = (prefix[0].GetInt32(), prefix[1].GetString()!);
                Compare(failures, text, $"{count} ids decoded", [decoded], [tokenizer.Decode(ids[..count], skipSpecialTokens: false)]);
                Compare(failures, text, $"{count} ids streamed", [decoded], [Stream(tokenizer, ids[..count], skipSpecialTokens: false)]);
            }
        }

        Report(failures);
    }

    private static (HuggingFaceTokenizer Tokenizer, JsonElement Expected) Load(string name)
    {
        var isReal = name == RealModel.Name;
        var expected = (isReal ? RealModel.Expected("tokenizer_expected.json") : Fixtures.Json("golden", "tokenizers", name, "expected.json"))
            .RootElement;
        Assert.IsGreaterThan(50, expected.GetProperty("cases").GetArrayLength());
        return (HuggingFaceTokenizer.Load(isReal ? RealModel.Path : Fixtures.Path_("golden", "tokenizers", name)), expected);
    }

    private static int[] WithSpecial(JsonElement item) =>
        Ints(item.TryGetProperty("ids_with_special", out var ids) ? ids : item.GetProperty("ids"));

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];

    /// <summary>Returns the number of code points before every UTF-16 position.</summary>
    private static int[] CodePoints(string text)
    {
        var before = new int[text.Length + 1];
        for (var i = 0; i < text.Length; i++) before[i + 1] = before[i] + (char.IsLowSurrogate(text[i]) ? 0 : 1);

        return before;
    }

    private static string Stream(HuggingFaceTokenizer tokenizer, int[] ids, bool skipSpecialTokens)
    {
        var decoder = new TokenStreamDecoder(tokenizer, skipSpecialTokens);
        return string.Concat(ids.Select(decoder.Append)) + decoder.Finish();
    }

    private static void Compare<T>(List<string> failures, string text, string what, T[] expected, T[] found)
    {
        if (expected.SequenceEqual(found)) return;

        failures.Add($"{what} of {JsonSerializer.Serialize(text)}: {Show(expected)} expected, {Show(found)} found");

        static string Show(T[] values) => JsonSerializer.Serialize(values);
    }

    private static void Report(List<string> failures) =>
        Assert.IsEmpty(failures, $"{failures.Count} differences:\n{string.Join('\n', failures.Take(12))}");
}
