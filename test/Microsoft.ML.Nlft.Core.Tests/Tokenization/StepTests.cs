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
    [DataRow("""{"type":"StripAccents"}""", "e\u0301 \u0903a\u20DD", "e a")]
    [DataRow("""{"type":"StripAccents"}""", "\u08D4\u08CA", "\u08CA", DisplayName = "marks are those of Unicode 9")]
    [DataRow("""{"type":"Nmt"}""", "a\u0001\u200B\tb\u2028\u2581\uFEFF\u007Fc", "a  b   c")]
    [DataRow("""{"type":"BertNormalizer"}""", "\u0000É\u200D東\uE000\n\u3000x", "e 東   x")]
    [DataRow("""{"type":"BertNormalizer","lowercase":false}""", "É東", "É 東 ")]
    [DataRow("""{"type":"BertNormalizer","lowercase":false,"strip_accents":true,"handle_chinese_chars":false}""", "É東", "E東")]
    [DataRow("""{"type":"BertNormalizer","lowercase":true,"strip_accents":false,"clean_text":false}""", "É\n", "é\n")]
    [DataRow("""{"type":"Lowercase"}""", "\u1C89\uA7DC", "\u1C8A\u019B", DisplayName = "capitals of Unicode 16")]
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
    [DataRow("""{"type":"Split","pattern":{"Regex":"\\s?\\p{L}+"},"behavior":"Isolated","invert":false}""",
        "\u00A0\u0C4C中\u0306\uA6D0", "\u00A0\u0C4C|中|\u0306|\uA6D0", DisplayName = "the engine that does not backtrack misses the first match")]
    [DataRow("""{"type":"Split","pattern":{"Regex":"[\\[\\]^]+"},"behavior":"Isolated","invert":false}""", "a[]^b", "a|[]^|b")]
    [DataRow("""{"type":"Punctuation"}""", "a\u2E42b\u2E43c", "a|\u2E42|b\u2E43c", DisplayName = "punctuation is that of Unicode 8.0")]
    [DataRow("""{"type":"BertPreTokenizer"}""", "it's  5\u00A0«x»", "it|'|s|5|«|x|»")]
    [DataRow("""{"type":"CharDelimiterSplit","delimiter":"-"}""", "a--b", "a|b")]
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
    [DataRow("""{"type":"BPEDecoder"}""", "a|b</w>|c</w>", "ab c")]
    [DataRow("""{"type":"BPEDecoder","suffix":"#"}""", "a#|b#c", "a bc")]
    [DataRow("""{"type":"WordPiece"}""", "a|##b|c|.|x do not", "ab c. x don't")]
    [DataRow("""{"type":"WordPiece","prefix":"@","cleanup":false}""", "a|@b|c|.", "ab c .")]
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

    [TestMethod]
    [DataRow("""{"type":"BertProcessing","cls":["c",1],"sep":["s",2]}""", new[] { 1 }, new[] { 2 })]
    [DataRow("""{"type":"RobertaProcessing","cls":["c",1],"sep":["s",2],"trim_offsets":false}""", new[] { 1 }, new[] { 2 })]
    [DataRow("""
        {"type":"Sequence","processors":[{"type":"BertProcessing","cls":["c",1],"sep":["s",2]},{"type":"BertProcessing","cls":["d",3],"sep":["t",4]}]}
        """, new[] { 3, 1 }, new[] { 2, 4 }, DisplayName = "each step of a Sequence goes around the one before")]
    [DataRow("""{"type":"Sequence","processors":[]}""", new int[0], new int[0])]
    [DataRow("""{"type":"ByteLevel"}""", new int[0], new int[0])]
    public void PostProcessor_OtherKinds_PutTheirTokensAroundTheText(string step, int[] before, int[] after)
    {
        var processing = PostProcessorJson.Read(Json(step));

        CollectionAssert.AreEqual(before, processing.Before);
        CollectionAssert.AreEqual(after, processing.After);
    }

    [TestMethod]
    [DataRow(true, "Ġ", 0, 1, true, 0, 0)]
    [DataRow(true, "Ġ", 3, 4, false, 4, 4)]
    [DataRow(true, "ĠĠ", 0, 2, true, 2, 2)]
    [DataRow(false, "Ġa", 0, 2, true, 1, 2)]
    [DataRow(true, "Ġa", 0, 2, true, 0, 2)]
    [DataRow(true, "aĠ", 4, 6, false, 4, 5)]
    [DataRow(false, "ab", 4, 6, false, 4, 6)]
    public void Trim_SpacesAtTheEnds_LeaveTheRange(bool keepsFirst, string token, int start, int end, bool isFirst, int from, int to) =>
        Assert.AreEqual(from..to, new OffsetTrimming(keepsFirst).Trim(token, start..end, isFirst));

    private static JsonPlace Json(string text) =>
        new(System.Text.Json.JsonDocument.Parse(text).RootElement, new JsonSource("tokenizer.json"), "step");
}
