using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.ML.Nlft.Grammars;
using static Microsoft.ML.Nlft.Tests.Grammars.GrammarWriter;

namespace Microsoft.ML.Nlft.Tests.Grammars;

/// <summary>Texts by a grammar satisfy its schema, and no valid text within the limits is excluded.</summary>
[TestClass]
public sealed partial class JsonGrammarTests
{
    [TestMethod]
    public void Write_RandomSchemas_SatisfyThem()
    {
        var complete = 0;
        Prop.ForAll(ArbMap.Default.ArbFor<int>(), seed =>
        {
            var random = new Random(seed);
            var schema = RandomSchema.Next(random);
            var grammar = GrammarOf(schema);
            for (var i = 0; i < 5; i++)
            {
                if (Write(grammar, random) is not { } text) continue;
                AssertValid(text, schema);
                complete++;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));
        Assert.IsGreaterThan(800, complete, "most texts end");
    }

    [TestMethod]
    public void Write_AnyJson_IsJsonWithoutRepeatedNames()
    {
        var (grammar, random, complete) = (GrammarOf("true"), new Random(1), 0);
        for (var i = 0; i < 300; i++)
        {
            if (Write(grammar, random) is not { } text) continue;
            AssertValid(text, true);
            complete++;
        }
        Assert.IsGreaterThan(200, complete);
    }

    [TestMethod]
    public void Restrict_SmallSchema_AllowsWhatContinuesADocument()
    {
        var grammar = GrammarOf("""
            { "type": "object", "required": ["a"], "additionalProperties": false,
              "properties": { "a": { "enum": ["x", "xy"] }, "b": { "type": "boolean" } } }
            """);
        string[] blank = ["", " "];
        string[] texts = [.. from start in blank from first in blank from space in blank from a in (string[])["x", "xy"] from last in blank
                             from b in (string[])["", .. from second in blank from inner in blank from value in (string[])["true", "false"]
                                                         select $",{second}\"b\":{inner}{value}"]
                             select $"{start}{{{first}\"a\":{space}\"{a}\"{b}{last}}}"];
        int[] tokens = [.. Enumerable.Range(1, Vocabulary.Length - 1).Where(id => !Vocabulary[id].Contains((byte)'\n'))];
        foreach (var whole in texts)
        {
            var (text, written) = (new GrammarText(grammar, Tokens), "");
            foreach (var character in whole)
            {
                var logits = new float[Vocabulary.Length];
                text.Restrict(logits, new HashSet<int> { 0 });
                foreach (var id in tokens)
                {
                    var next = written + Encoding.Latin1.GetString(Vocabulary[id]);
                    var isAllowed = texts.Any(other => other.StartsWith(next, StringComparison.Ordinal));
                    Assert.AreEqual(isAllowed, logits[id] == 0, next);
                }
                Assert.AreNotEqual(0, logits[0], "no end before the end");
                text.Append(1 + character);
                written += character;
            }
            Assert.IsTrue(text.IsComplete, written);
        }
    }

    [TestMethod]
    public void Matches_ShortNumbers_IsTheirSyntax()
    {
        var (number, integer) = (GrammarOf("""{ "type": "number" }"""), GrammarOf("""{ "type": "integer" }"""));
        const string Alphabet = "-0.1eE+7";
        for (var length = 1; length <= 5; length++)
        {
            for (var n = 0; n < Math.Pow(Alphabet.Length, length); n++)
            {
                var text = string.Concat(
                    Enumerable.Range(0, length).Select(at => Alphabet[n / (int)Math.Pow(Alphabet.Length, at) % Alphabet.Length]));
                Assert.AreEqual(NumberSyntax().IsMatch(text), Matches(number, text), text);
                Assert.AreEqual(IntegerSyntax().IsMatch(text), Matches(integer, text), text);
            }
        }
        Assert.IsTrue(Matches(number, "-0"));
        Assert.IsFalse(Matches(number, "1234567890123456"), "numbers end");
    }

    [TestMethod]
    [DataRow("""{ "type": "integer", "minimum": -13, "maximum": 107 }""", 0)]
    [DataRow("""{ "type": "integer", "exclusiveMinimum": 99, "maximum": 1000 }""", 0)]
    [DataRow("""{ "type": "integer", "maximum": -7.5 }""", 0)]
    [DataRow("""{ "type": "number", "minimum": -0.35, "exclusiveMaximum": 12.5 }""", 2)]
    [DataRow("""{ "type": "number", "exclusiveMinimum": 0.99 }""", 2)]
    [DataRow("""{ "type": "number", "minimum": 2, "maximum": 2 }""", 1)]
    public void Matches_Bounds_AreThoseOfTheSchema(string schema, int decimals)
    {
        var (grammar, valid) = (GrammarOf(schema), 0);
        for (var n = -3000; n <= 3000; n++)
        {
            var text = (n / (decimal)Math.Pow(10, decimals)).ToString($"F{decimals}", System.Globalization.CultureInfo.InvariantCulture);
            var isValid = IsValid(text, schema);
            valid += isValid ? 1 : 0;
            Assert.AreEqual(isValid, Matches(grammar, text), text);
        }
        Assert.AreNotEqual(0, valid);

        static bool IsValid(string text, string schema)
        {
            try
            {
                AssertValid(text, JsonNode.Parse(schema)!);
                return true;
            }
            catch (AssertFailedException)
            {
                return false;
            }
        }
    }

    [TestMethod]
    public void Matches_RandomBytes_AreTheStringsThatParse()
    {
        var (grammar, random, valid) = (GrammarOf("""{ "type": "string" }"""), new Random(5), 0);
        byte[] alphabet = [.. "\"\\/unda8D0cC"u8, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xED, 0xA0, 0xC0, 0xF4, 0x90, 0x1F];
        for (var i = 0; i < 40000; i++)
        {
            var inner = random.GetItems(random.Next(3) > 0 ? alphabet : [.. "\\udD8cC0a9"u8], random.Next(13));
            byte[] text = [(byte)'"', .. random.Next(2) == 0 ? "\\uD83D"u8 : [], .. inner, (byte)'"'];
            var parses = Parses(text);
            valid += parses ? 1 : 0;
            Assert.AreEqual(parses, grammar.After(grammar.Start, text) is { MatchesEmpty: true }, Convert.ToHexString(text));
        }
        Assert.IsGreaterThan(500, valid);

        static bool Parses(byte[] text)
        {
            try
            {
                return JsonDocument.Parse(text).RootElement.GetString() is not null;
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                return false;
            }
        }
    }

    [TestMethod]
    [DataRow("""{ "type": "string", "minLength": 1, "maxLength": 2 }""", "\"é\"|\"😀a\"|\"\\ud83d\\ude00\"", "\"\"|\"abc\"|\"😀😀😀\"")]
    [DataRow("""{ "enum": ["a", "ab", "é"] }""", "\"a\"|\"ab\"|\"é\"|\"\\u00e9\"", "\"\"|\"abc\"|\"\\u0061\"")]
    [DataRow("""{ "properties": { "a": true }, "additionalProperties": { "type": "null" }, "type": "object" }""",
        """{}|{"a":{"x":[]}}|{"a":1,"b":null}|{"ab":null}|{"":null}""", """{"b":1}|{"a":1,"a":null}|{"b":null,"a":1}|{"\u0061":null}""")]
    [DataRow("""{ "type": "object", "properties": { "a": { "type": "null" } } }""", """{}|{"a":null}|{ "a": null }""", """{"b":1}|{"a" :null}""")]
    [DataRow("""{ "type": "object", "required": ["z"] }""", """{"z":1}|{"z":1,"y":2}""", """{}|{"y":2}""")]
    [DataRow("""{ "$defs": { "t": { "type": "object", "properties": { "n": { "$ref": "#/$defs/t" } } } }, "$ref": "#/$defs/t" }""",
        """{}|{"n":{"n":{}}}""", """{"n":1}|[]""")]
    [DataRow("""{ "type": "array", "prefixItems": [{ "const": 1 }, { "const": 2 }], "items": false }""", "[]|[1]|[1,2]|[1, 2]", "[2]|[1,2,3]|[1,]")]
    [DataRow("""{ "type": "array", "items": { "type": "boolean" }, "minItems": 2 }""", "[true,false]|[\n  true,\n  false,\n  true\n]", "[]|[true]")]
    [DataRow("""{ "type": ["string", "null"], "nullable": true, "format": "date", "x-unknown": 1 }""", "null|\"x\"", "1")]
    [DataRow("""{ "$ref": "#/$defs/a", "nullable": true, "$defs": { "a": { "type": "integer" } } }""", "null|3", "1.5")]
    [DataRow("""{ "minLength": 1 }""", "1|\"a\"|{}|[]", "\"\"")]
    [DataRow("""{ "oneOf": [{ "const": 1 }, { "enum": ["1", "2"] }, { "type": "array" }] }""", "1|\"1\"|[]", "2")]
    [DataRow("""{ "type": "integer", "enum": [1, 2.0, "3"] }""", "1|2.0", "\"3\"|2")]
    public void Matches_Keywords_AsTheStandardSays(string schema, string valid, string invalid)
    {
        var grammar = GrammarOf(schema);
        foreach (var text in valid.Split('|')) Assert.IsTrue(Matches(grammar, text), text);
        foreach (var text in invalid.Split('|')) Assert.IsFalse(Matches(grammar, text), text);
    }

    [GeneratedRegex(@"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?\z")]
    private static partial Regex NumberSyntax();

    [GeneratedRegex(@"\A(0|-?[1-9][0-9]*)\z")]
    private static partial Regex IntegerSyntax();
}
