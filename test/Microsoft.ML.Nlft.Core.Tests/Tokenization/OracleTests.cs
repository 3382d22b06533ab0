using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>
/// Compares ids over random Unicode texts with those of Hugging Face's own library, which the package Tokenizers.DotNet carries for Linux on x64.
/// </summary>
[TestClass]
public sealed class OracleTests
{
    private const int Seed = 2026;

    /// <summary>Texts per tokenizer in the slow test. 100,000 take about a quarter of an hour for all tokenizers.</summary>
    private static readonly int s_texts = int.TryParse(Environment.GetEnvironmentVariable("NLFT_ORACLE_TEXTS"), out var texts) ? texts : 5_000;

    public static IEnumerable<object[]> Files =>
        from kind in new[] { "golden", "fixtures" }
        from folder in Fixtures.Folders(kind, "tokenizers")
        select new object[] { kind, folder[0] };

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(Files))]
    public void Encode_RandomTexts_GivesTheIdsOfHuggingFace(string kind, string name) => Compare(kind, name, 100);

    [TestMethod]
    [TestCategory("Conformance"), TestCategory("Slow")]
    [DynamicData(nameof(Files))]
    public void Encode_ManyRandomTexts_GivesTheIdsOfHuggingFace(string kind, string name) => Compare(kind, name, s_texts);

    private static void Compare(string kind, string name, int count)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) Assert.Inconclusive("Linux on x64 only");

        // Without the settings of truncation and padding, and without the files beside it, which that library does not read.
        var file = JsonNode.Parse(File.ReadAllBytes(Fixtures.Path_(kind, "tokenizers", name, "tokenizer.json")))!;
        (file["truncation"], file["padding"]) = (null, null);
        using var folder = new TokenizerFolder().File("tokenizer.json", file.ToJsonString());
        using var oracle = new global::Tokenizers.DotNet.Tokenizer(Path.Combine(folder.Path, "tokenizer.json"));
        var tokenizer = HuggingFaceTokenizer.Load(folder.Path);
        var added = file["added_tokens"]!.AsArray().Select(token => token!["content"]!.GetValue<string>()).ToArray();
        var random = new Random(Seed);
        for (var i = 0; i < count; i++)
        {
            var text = Text(random, added);
            var expected = oracle.Encode(text);
            var found = tokenizer.Encode(text, addSpecialTokens: true);
            if (expected.SequenceEqual(found.Select(id => (uint)id))) continue;

            Assert.Fail($"text {i}, {System.Text.Json.JsonSerializer.Serialize(text)}: {string.Join(' ', expected)} expected, "
                + $"{string.Join(' ', found)} found");
        }
    }

    private static string Text(Random random, string[] added)
    {
        string[] words = ["the", "1234", "'s", "should've", "Hello", "_x", "é", "e\u0301", "👩‍🚀", "ß", "İ", "中文"];
        var text = new StringBuilder();
        for (var parts = random.Next(1, 24); parts > 0; parts--)
        {
            text.Append(random.Next(9) switch
            {
                0 => ((char)random.Next(' ', 0x7F)).ToString(),
                1 => new string(' ', random.Next(1, 4)),
                2 => "\n\r\t\u00A0\u3000\u2028"[random.Next(6)].ToString(),
                3 => ((char)random.Next(0x80, 0x3000)).ToString(),
                4 => ((char)random.Next(0x3000, 0xD7FF)).ToString(),
                5 => char.ConvertFromUtf32(random.Next(0x10000, 0x20000)),
                6 => words[random.Next(words.Length)],
                7 => added.Length > 0 ? added[random.Next(added.Length)] : "",
                _ => ((char)random.Next(0x300, 0x370)).ToString(),
            });
        }

        return text.ToString();
    }
}
