using System.Text;
using Microsoft.ML.Nlft.Grammars;
using static Microsoft.ML.Nlft.Tests.Grammars.GrammarWriter;

namespace Microsoft.ML.Nlft.Tests.Grammars;

/// <summary>What is not supported is refused with its place; hostile schemas cost little.</summary>
[TestClass]
public sealed class JsonSchemaReaderTests
{
    [TestMethod]
    [DataRow("""{ "properties": { "a": { "pattern": "x" } } }""", "option JsonSchema, \"properties.a.pattern\": found the keyword pattern; "
        + "expected keywords that are supported here: docs/chat.md lists them. Leave it out and check the answer, or say the same with supported "
        + "keywords.")]
    [DataRow("""{ "items": [] }""", "option JsonSchema, \"items\": found []; expected a schema: an object, true or false. Correct the schema.")]
    [DataRow("""{ "type": "text" }""", "option JsonSchema, \"type\": found \"text\"; expected null, boolean, integer, number, string, array or "
        + "object, "
        + "or a list of them. Correct the schema.")]
    [DataRow("""{ "uniqueItems": true }""", "option JsonSchema, \"uniqueItems\": found true; expected false: equal items are not recognised. "
        + "Leave it out and check the answer, or say the same with supported keywords.")]
    [DataRow("""{ "anyOf": [{}], "properties": {} }""", "option JsonSchema, \"properties\": found properties beside anyOf; expected anyOf without "
        + "other "
        + "keywords that restrict the value. Leave it out and check the answer, or say the same with supported keywords.")]
    [DataRow("""{ "oneOf": [{ "type": "integer" }, { "type": "number" }] }""", "option JsonSchema, \"oneOf\": found schemas 1 and 2, for both of "
        + "which a "
        + "value may be valid; expected schemas that differ in their types, in their values, or in the values of a required property. "
        + "Write anyOf, or tell them apart.")]
    [DataRow("""{ "$ref": "#/$defs/a" }""", "option JsonSchema, \"$ref\": found \"#/$defs/a\"; expected a reference to a schema of the same "
        + "document, "
        + "such as #/$defs/name. Correct the reference: there is no such place.")]
    [DataRow("""{ "$ref": "#" }""", "option JsonSchema: found { \"$ref\": \"#\" }; expected a schema that refers to itself only inside an array "
        + "or an "
        + "object, and not through long chains. Let the reference stand in items or properties.")]
    [DataRow("""{ "type": "string", "minLength": 3, "maxLength": 2 }""", "option JsonSchema: found { \"type\": \"string\", \"minLength\": 3, "
        + "\"maxLength\": 2 }; expected a schema that allows a value. Correct the schema: no value is valid.")]
    [DataRow("""{ "type": "object", "properties": { "a": { "$ref": "#" } }, "required": ["a"] }""", "option JsonSchema: found "
        + "{ \"type\": \"object\", "
        + "\"properties\": { \"a\": { \"$ref\": \"#\" } }, \"required\": [\"a\"] }; expected a schema that allows a value. Correct the schema: no "
        + "value is valid.")]
    [DataRow("""{ "minLength": -1 }""", "option JsonSchema, \"minLength\": found -1; expected a whole number, 0 or more. Correct the schema.")]
    [DataRow("3", "option JsonSchema: found 3; expected a schema: an object, true or false. Correct the schema.")]
    public void Read_UnusableSchema_NamesThePlace(string schema, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => GrammarOf(schema)).Message);

    [TestMethod]
    public void Read_LargeSchemas_AreRefused()
    {
        var large = $$"""{ "enum": ["{{new string('x', 10_000_000)}}"] }""";
        Assert.AreEqual("at most 262144", Assert.ThrowsExactly<NlftException>(() => GrammarOf(large)).Expected);
        var many = $$"""{ "anyOf": [{{string.Join(',', Enumerable.Repeat("{}", 5000))}}] }""";
        Assert.AreEqual("at most 4096 schemas in one", Assert.ThrowsExactly<NlftException>(() => GrammarOf(many)).Expected);
        var chain = string.Join(',', Enumerable.Range(0, 3000).Select(i => $$""" "d{{i}}": { "$ref": "#/$defs/d{{i + 1}}" } """));
        Assert.Contains("long chains", Assert.ThrowsExactly<NlftException>(() =>
            GrammarOf($$"""{ "$ref": "#/$defs/d0", "$defs": { {{chain}}, "d3000": {} } }""")).Expected);
    }

    [TestMethod]
    public void After_AmbiguousRecursion_CostsLinearly()
    {
        // Every level can be read in two ways, so a text of n levels can be read in 2^n.
        var grammar = GrammarOf("""
            { "$defs": { "a": { "anyOf": [{ "type": "array", "items": { "$ref": "#/$defs/a" } },
                                          { "type": "array", "items": { "$ref": "#/$defs/a" }, "maxItems": 9 }] } }, "$ref": "#/$defs/a" }
            """);
        Assert.IsTrue(Matches(grammar, new string('[', 32) + new string(']', 32)));
        Assert.IsLessThan(20_000, grammar.Computed);
        Assert.IsFalse(Matches(grammar, new string('[', 33) + new string(']', 33)), "the nesting is limited");
    }

    [TestMethod]
    public void Read_ThousandsOfOptionalPropertiesAndValues_CostsLittle()
    {
        var properties = string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"p{i}\": {{ \"type\": \"null\" }}"));
        var grammar = GrammarOf($$"""{ "type": "object", "properties": { {{properties}} } }""");
        Assert.IsTrue(Matches(grammar, """{"p3":null,"p1999":null}"""));
        Assert.IsFalse(Matches(grammar, """{"p1999":null,"p3":null}"""));
        Assert.IsLessThan(1000, grammar.Computed);
        var values = string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"v{i}\""));
        grammar = GrammarOf($$"""{ "enum": [{{values}}] }""");
        Assert.IsTrue(Matches(grammar, "\"v19999\""));
        Assert.IsLessThan(100, grammar.Computed);
    }

    [TestMethod]
    public void Allowed_LargeVocabulary_IsWalkedOncePerState()
    {
        var random = new Random(3);
        byte[][] vocabulary = [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }),
            .. Enumerable.Range(0, 100_000).Select(_ =>
                Encoding.UTF8.GetBytes(random.GetItems("abcdefgh \",:{}[]1é".ToCharArray(), random.Next(2, 9))))];
        var (tokens, grammar) = (new TokenTrie(vocabulary, "the vocabulary"), GrammarOf("""{ "type": "object", "additionalProperties": true }"""));
        var state = grammar.After(grammar.Start, "{\"a\":\""u8)!;
        for (var i = 0; i < 100; i++)
        {
            grammar.Allowed(state, tokens);
            state = grammar.After(state, "text "u8)!;
        }
        Assert.IsLessThanOrEqualTo(tokens.Count, grammar.Visited, "100 tokens in a string need one walk");
        var before = grammar.Visited;
        grammar.Allowed(grammar.Start, tokens);
        Assert.IsLessThan(tokens.Count / 4, grammar.Visited - before, "tokens that begin wrongly are skipped together");
    }

    [TestMethod]
    public void TokenTrie_VocabularyWithoutABrace_IsRefused()
    {
        byte[][] vocabulary = [.. Enumerable.Range(0, 256).Where(value => value != '{').Select(value => new[] { (byte)value })];
        Assert.AreEqual("the tokenizer: found no token for the character \"{\" alone; expected one for each printable ASCII character, so that "
            + "every JSON "
            + "text can be written. Use another model, or ask without a schema.",
            Assert.ThrowsExactly<NlftException>(() => new TokenTrie(vocabulary, "the tokenizer")).Message);
    }

    [TestMethod]
    public void Restrict_VocabularyWithoutPartsOfCharacters_WritesWholeOnes()
    {
        byte[][] vocabulary = [.. Enumerable.Range(0, 128).Select(value => new[] { (byte)value }), "é"u8.ToArray(), [0xC3]];
        var (text, logits) = (new GrammarText(GrammarOf("""{ "const": "é😀" }"""), new TokenTrie(vocabulary, "the vocabulary")), new float[130]);
        text.Append('"');
        text.Restrict(logits, new HashSet<int>());
        CollectionAssert.AreEqual(new[] { (int)'\\', 128 }, Enumerable.Range(0, 130).Where(id => logits[id] == 0).ToArray());
    }
}
