using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Tests each step of the pipeline in isolation.</summary>
[TestClass]
public sealed class StepTests
{
    [TestMethod]
    [DataRow("""{"type":"Lowercase"}""", "ÀΣ𐐀İ", "àσ𐐨i\u0307")]
    [DataRow("""{"type":"Strip","strip_left":true,"strip_right":false}""", "\u3000 a ", "a ")]
    [DataRow("""{"type":"Strip"}""", " \t ", "")]
    [DataRow("""{"type":"Prepend","prepend":"▁"}""", "", "")]
    [DataRow("""{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "}""", "a \n b", "a b")]
    [DataRow("""{"type":"Replace","pattern":{"Regex":"[^a-z]"},"content":"?"}""", "a😀b", "a?b",
        DisplayName = "a character beyond U+FFFF counts as one")]
    [DataRow("""{"type":"NFD"}""", "\uAC01é", "\u1100\u1161\u11A8e\u0301")]
    [DataRow("""{"type":"NFC"}""", "\u1E9B\u0323", "\u1E9B\u0323")]
    [DataRow("""{"type":"NFD"}""", "\u1E9B\u0323", "\u017F\u0323\u0307")]
    [DataRow("""{"type":"NFKC"}""", "\u1E9B\u0323 ﬁ", "\u1E69 fi")]
    [DataRow("""{"type":"NFKD"}""", "\u1E9B\u0323 ①", "s\u0323\u0307 1")]
    [DataRow("""{"type":"NFC"}""",
        "a\u0301\u0323 \u212B \u0958 \u0344", "\u1EA1\u0301 \u00C5 \u0915\u093C \u0308\u0301", DisplayName = "order, singletons, exclusions")]
    [DataRow("""{"type":"NFC"}""", "\uD834\uDD5E \u1100\u1161\u11A8", "\uD834\uDD57\uD834\uDD65 \uAC01")]
    [DataRow("""{"type":"NFKC"}""", "\u32FE\u32FF", "ヲ\u32FF", DisplayName = "decompositions are those of Unicode 9.0")]
    public void Normalize_EachStep_RewritesTheText(string step, string text, string expected) =>
        Assert.AreEqual(expected, TokenizerSteps.Normalizer(Json(step)).Normalize(new Fragment(text, 0)).Text);

    [TestMethod]
    [DataRow("""{"type":"Digits","individual_digits":true}""", "a12½Ⅷ", "a|1|2|½|Ⅷ")]
    [DataRow("""{"type":"Digits"}""", "a12½b", "a|12½|b")]
    [DataRow("""{"type":"Digits"}""", "12𝟘x", "12𝟘|x")]
    [DataRow("""{"type":"Punctuation"}""", "a,«b» $", "a|,|«|b|»| |$")]
    [DataRow("""{"type":"Punctuation","behavior":"Contiguous"}""", "a...b!", "a|...|b|!")]
    [DataRow("""{"type":"Whitespace"}""", "it's  a_b €5", "it|'|s|a_b|€|5")]
    [DataRow("""{"type":"WhitespaceSplit"}""", " a,\u00A0b\n", "a,|b")]
    [DataRow("""{"type":"Split","pattern":{"String":"-"},"behavior":"Removed","invert":false}""", "a--b-", "a|b")]
    [DataRow("""{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated","invert":false}""", "a--b-", "a|-|-|b|-")]
    [DataRow("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious","invert":false}""", "a--b-", "a-|-|b-")]
    [DataRow("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false}""", "a--b-", "a|-|-b|-")]
    [DataRow("""{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous","invert":false}""", "a--b-", "a|--|b|-")]
    [DataRow("""{"type":"Split","pattern":{"String":"-"},"behavior":"Removed","invert":true}""", "a--b-", "-|-|-")]
    [DataRow("""{"type":"Split","pattern":{"Regex":"[A-Z](?=[a-z])"},"behavior":"MergedWithNext","invert":false}""", "aBcDe", "a|Bc|De")]
    [DataRow("""{"type":"Split","pattern":{"Regex":"\\p{Lo}+|\\p{So}"},"behavior":"Isolated","invert":false}""", "x𠀀東😀y", "x|𠀀東|😀|y")]
    [DataRow("""{"type":"Split","pattern":{"Regex":"(?=\\p{Lu})"},"behavior":"Isolated","invert":false}""",
        "aBC", "a|B|C", DisplayName = "an empty match is a split")]
    [DataRow("""{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated","invert":false}""",
        "x\u20DDⅧ½Ⓐ-", "x\u20DDⅧ½Ⓐ|-", DisplayName = "word characters are those of Oniguruma")]
    [DataRow("""{"type":"Split","pattern":{"Regex":"\\d{1,3}(?=(?:\\d{3})*\\b)"},"behavior":"Isolated","invert":false}""", "12345 6Ⅷ", "12|345| 6Ⅷ")]
    [DataRow("""{"type":"Split","pattern":{"Regex":"[\\[\\]^]+"},"behavior":"Isolated","invert":false}""", "a[]^b", "a|[]^|b")]
    [DataRow("""{"type":"Punctuation"}""", "a\u2E42b\u2E43c", "a|\u2E42|b\u2E43c", DisplayName = "punctuation is that of Unicode 8.0")]
    [DataRow("""{"type":"Metaspace","replacement":"_"}""", "a  b", "_a|_|_b")]
    [DataRow("""{"type":"Metaspace","replacement":"_","split":false,"add_prefix_space":false,"prepend_scheme":"never"}""", "a b", "a_b")]
    [DataRow("""{"type":"ByteLevel","use_regex":false}""", "a é", "ĠaĠÃ©", DisplayName = "add_prefix_space by default")]
    [DataRow("""{"type":"ByteLevel","add_prefix_space":true}""", " a", "Ġa")]
    [DataRow("""{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Digits","individual_digits":true}]}""", "a1 2", "a|1|2")]
    public void Apply_EachPreTokenizer_SplitsTheText(string step, string text, string expected)
    {
        var pieces = new List<Fragment>();
        TokenizerSteps.PreTokenizer(Json(step)).Apply(new Fragment(text, 0), split: true, pieces);

        Assert.AreEqual(expected, string.Join('|', pieces.Select(piece => piece.Text)));
    }

    [TestMethod]
    [DataRow("""{"type":"ByteLevel"}""", "Ã|©Ġx|<東>", "é x<東>", DisplayName = "a token outside the byte alphabet stands for itself")]
    [DataRow("""{"type":"ByteLevel"}""", "a|Ã", "a\uFFFD")]
    [DataRow("""{"type":"ByteLevel"}""", "ð|Ł|ĺ|Ģ|ð", "😀\uFFFD")]
    [DataRow("""{"type":"ByteFallback"}""", "<0xC3>|<0xA9>|<0x4>|<0xC3>|a|<0xe6>", "é<0x4>\uFFFDa\uFFFD")]
    [DataRow("""{"type":"ByteFallback"}""", "<0x41>|<0xFF>|x", "\uFFFD\uFFFDx", DisplayName = "one invalid byte makes the whole run invalid")]
    [DataRow("""{"type":"Strip","content":"_","start":1,"stop":1}""", "__a__|_|b", "_a_b")]
    [DataRow("""{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"_","start":2,"stop":2}]}""", "_|_|_a_|b_|_|_", "_a_b_")]
    [DataRow("""{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"String":"ab"},"content":"-"}]}""", "a|b|c", "-c")]
    [DataRow("""{"type":"Replace","pattern":{"String":"ab"},"content":"-"}""", "a|b|abc", "ab-c")]
    [DataRow("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}""",
        "▁a▁b|▁c", "ab c", DisplayName = "every mark of the first token is removed, as by Hugging Face")]
    [DataRow("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"never"}""", "▁a|▁c", " a c")]
    public void Decode_EachDecoder_TurnsTokensIntoText(string step, string tokens, string expected)
    {
        DecodingStage[] stages = [.. TokenizerSteps.Decoder(Json(step))(), new TextSink()];
        for (var i = 0; i + 1 < stages.Length; i++) stages[i].Next = stages[i + 1];

        foreach (var token in tokens.Split('|'))
        {
            stages[0].Append(token);
            stages[0].EndToken();
        }

        stages[0].Finish();
        Assert.AreEqual(expected, ((TextSink)stages[^1]).Take());
    }

    [TestMethod]
    [DataRow(false, new[] { 7, 8 }, new[] { 7, 8 })]
    [DataRow(true, new[] { 7, 8 }, new[] { 7, 8 }, DisplayName = "within a Sequence")]
    public void PostProcessor_Template_PutsItsTokensAroundTheText(bool isInSequence, int[] before, int[] after)
    {
        const string Template = """
            {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"x"}}],
             "special_tokens":{"x":{"ids":[7,8]}}}
            """;
        var json = isInSequence ? $$"""{"type":"Sequence","processors":[{"type":"ByteLevel"},{{Template}}]}""" : Template;
        var processing = PostProcessorJson.Read(Json(json));

        CollectionAssert.AreEqual(before, processing.Before);
        CollectionAssert.AreEqual(after, processing.After);
    }

    private static JsonPlace Json(string text) =>
        new(System.Text.Json.JsonDocument.Parse(text).RootElement, new JsonSource("tokenizer.json"), "step");
}
