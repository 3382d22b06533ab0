using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using Microsoft.ML.Nlft.Grammars;

namespace Microsoft.ML.Nlft.Tests.Grammars;

/// <summary>Writes random texts by a grammar, as a model without preferences would, and validates them with JsonSchema.Net.</summary>
internal static class GrammarWriter
{
    private static readonly HashSet<int> s_stop = [0];

    /// <summary>A vocabulary: the end of the text, the 256 bytes, and tokens of several bytes, some with parts of characters.</summary>
    public static readonly byte[][] Vocabulary =
    [
        [], .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }),
        .. new[] { "{\"", "\":", "\": ", "\",\"", "\", \"", "\"}", "]}", "}}", "[[", "a\":1,\"a", "a\",\"b", "true", "null", "ab", "\n  ",
            "é", "-1", "12",
            "0.5", "e+", "\\u", "\\\"", " {", "{\"a\":", "\"type\":\"", "cat", "further\":" }.Select(Encoding.UTF8.GetBytes),
        [0xC3], [0xA9, (byte)'"'], [0xF0, 0x9F], [0x98, 0x80],
    ];

    public static readonly TokenTrie Tokens = new(Vocabulary, "the vocabulary");

    /// <summary>Writes a text; null: it was not complete after a number of tokens.</summary>
    public static string? Write(Grammar grammar, Random random, int maximum = 600)
    {
        var (text, bytes) = (new GrammarText(grammar, Tokens), new List<byte>());
        var decoded = new StringBuilder();
        for (var i = 0; i < maximum; i++)
        {
            var logits = new float[Vocabulary.Length];
            text.Restrict(logits, s_stop);
            int[] allowed = [.. Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0)];
            Assert.AreNotEqual(0, allowed.Length, $"a token fits after {Encoding.UTF8.GetString([.. bytes])}");
            int[] ending = [.. allowed.Where(id => id == 0 || Vocabulary[id] is [.., (byte)'"' or (byte)'}' or (byte)']' or (byte)'l'])];
            var next = ending.Length > 0 && random.Next(3) == 0 ? ending[random.Next(ending.Length)] : allowed[random.Next(allowed.Length)];
            if (next == 0) return decoded.Append(text.Finish()).ToString();
            decoded.Append(text.Append(next));
            bytes.AddRange(Vocabulary[next]);
            if (!text.IsComplete) continue;
            Assert.AreEqual(Encoding.UTF8.GetString([.. bytes]), decoded.ToString() + text.Finish());
            return Encoding.UTF8.GetString([.. bytes]);
        }
        return null;
    }

    /// <summary>Asserts that a text is JSON without repeated names and satisfies a schema.</summary>
    public static void AssertValid(string text, JsonNode schema)
    {
        using var document = JsonDocument.Parse(text, new() { AllowDuplicateProperties = false });
        var result = JsonSchema.FromText(schema.ToJsonString(), new BuildOptions { SchemaRegistry = new() }).Evaluate(document.RootElement);
        Assert.IsTrue(result.IsValid, $"{text} for {schema.ToJsonString()}");
    }

    public static Grammar GrammarOf(JsonNode schema) => Grammar.OfSchema(JsonElement.Parse(schema.ToJsonString()), "option JsonSchema");

    public static Grammar GrammarOf(string schema) => Grammar.OfSchema(JsonElement.Parse(schema), "option JsonSchema");

    /// <summary>Returns whether the grammar has a whole text.</summary>
    public static bool Matches(Grammar grammar, string text) => grammar.After(grammar.Start, Encoding.UTF8.GetBytes(text)) is { MatchesEmpty: true };
}
