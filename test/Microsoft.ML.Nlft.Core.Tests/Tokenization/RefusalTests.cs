using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Tests that an unusable tokenizer.json is refused with the place, the value found and what was expected.</summary>
[TestClass]
public sealed class RefusalTests
{
    private const string Model = "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[]}";

    [TestMethod]
    [DataRow("""[]""", "tokenizer.json: found []; expected tokenizer.json of a model: one JSON object. Correct the file, or download it again.")]
    [DataRow("""{}""", "tokenizer.json, \"model\": found no such key; expected an object.")]
    [DataRow("""{"version":"2.0",$}""", "\"version\": found \"2.0\"; expected \"1.0\".")]
    [DataRow("""{"model":{"type":"WordLevel","vocab":{}}}""",
        "\"model.type\": found \"WordLevel\"; expected one of BPE, Unigram, WordPiece. Use a model whose tokenizer is of one of these kinds.")]
    [DataRow("""{"model":{"vocab":{}}}""", "\"model.type\": found no such key; expected one of BPE, Unigram, WordPiece.")]
    [DataRow("""{"model":{"type":"Unigram","vocab":[]}}""", "\"model.vocab\": found no tokens; expected at least one token.")]
    [DataRow("""{"model":{"type":"Unigram","vocab":{"a":0}}}""", "\"model.vocab\": found {\"a\":0}; expected an array.")]
    [DataRow("""{"model":{"type":"Unigram","vocab":[["a"]]}}""", "\"model.vocab[0]\": found [\"a\"]; expected a token and its score")]
    [DataRow("""{"model":{"type":"Unigram","vocab":[["a","b"]]}}""", "\"model.vocab[0][1]\": found \"b\"; expected a finite number.")]
    [DataRow("""{"model":{"type":"Unigram","vocab":[["a",-1],["a",-2]]}}""",
        "\"model.vocab[1][0]\": found \"a\"; expected a token of its own. The token 0 is the same")]
    [DataRow("""{"model":{"type":"Unigram","unk_id":1,"vocab":[["a",-1]]}}""",
        "\"model.unk_id\": found 1; expected the index of one of the 1 tokens of vocab.")]
    [DataRow("""{"model":{"type":"WordPiece","vocab":{}}}""", "\"model.vocab\": found no tokens; expected at least one token.")]
    [DataRow("""{"model":{"type":"WordPiece","vocab":{"a":0},"max_input_chars_per_word":100000}}""",
        "\"model.max_input_chars_per_word\": found 100000; expected at most 1000.")]
    [DataRow("""{"model":{"type":"BPE","merges":[]}}""", "\"model.vocab\": found no such key; expected an object.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{},"merges":[]}}""", "\"model.vocab\": found no tokens; expected at least one token.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0}}}""", "\"model.merges\": found no such key; expected an array.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":"0"},"merges":[]}}""", "\"model.vocab.a\": found \"0\"; expected a whole number")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}""", "\"model.vocab.a\": found -1; expected a whole number")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":99999999999},"merges":[]}}""",
        "\"model.vocab.a\": found 99999999999; expected a whole number")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":2147483647},"merges":[]}}""", "\"model.vocab.a\": found 2147483647; expected an id below")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}}""",
        "\"model.vocab.b\": found 0; expected an id of its own. \"a\" has the same id")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}""",
        "\"model.vocab.a\": found the key twice, the second time in line 1, column 39; expected each key once.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"\uD800":0},"merges":[]}}""",
        "\"model.vocab\", a property name: found half of a surrogate pair")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}}""",
        "\"model.merges[0]\": found \"a b\"; expected a merge of tokens into a token, each in model.vocab, which lacks \"ab\".")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0,"ab":1},"merges":[["a","b"]]}}""",
        "\"model.merges[0]\": found [\"a\",\"b\"]; expected a merge of tokens into a token, each in model.vocab, which lacks \"b\".")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}""",
        "\"model.merges[0]\": found \"a\"; expected two tokens with one space between them.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a a a"]}}""",
        "\"model.merges[0]\": found \"a a a\"; expected two tokens with one space between them.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}""", "\"model.merges[0]\": found [\"a\"]; expected two tokens.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[3]}}""", "\"model.merges[0]\": found 3; expected an array.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}}""", "\"model.dropout\": found 0.1; expected null or 0.")]
    [DataRow("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"byte_fallback":"yes"}}""",
        "\"model.byte_fallback\": found \"yes\"; expected true or false.")]
    [DataRow("""{$,"normalizer":{"type":"ByteLevel"}}""",
        "\"normalizer.type\": found \"ByteLevel\"; expected one of NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, StripAccents, Nmt, "
        + "Precompiled, BertNormalizer, Sequence. Use a model whose tokenizer keeps to these.")]
    [DataRow("""{$,"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nothing"}]}}""",
        "\"normalizer.normalizers[1].type\": found \"Nothing\"; expected one of")]
    [DataRow("""{$,"normalizer":{"type":"Precompiled"}}""", "\"normalizer.precompiled_charsmap\": found no such key; expected a string.")]
    [DataRow("""{$,"normalizer":{"type":"Precompiled","precompiled_charsmap":"?"}}""",
        "\"normalizer.precompiled_charsmap\": found \"?\"; expected a character map of SentencePiece in base64.")]
    [DataRow("""{$,"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAQAAAA="}}""",
        "\"normalizer.precompiled_charsmap\": found \"AAQAAAA=\"; expected a character map of SentencePiece in base64, as long as it says.")]
    [DataRow("""{$,"normalizer":"NFC"}""", "\"normalizer\": found \"NFC\"; expected an object.")]
    [DataRow("""{$,"normalizer":{"type":"Replace","pattern":{"String":""},"content":"x"}}""",
        "\"normalizer.pattern.String\": found \"\"; expected a text that is not empty.")]
    [DataRow("""{$,"normalizer":{"type":"Replace","pattern":{"Regex":"(a"},"content":"x"}}""",
        "\"normalizer.pattern.Regex\": found \"(a\"; expected a regular expression that .NET can read")]
    [DataRow("""{$,"normalizer":{"type":"Replace","pattern":{"Regex":"[a-z&&[^b]]"},"content":"x"}}""",
        "expected a regular expression without class intersections (&&).")]
    [DataRow("""{$,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a[bc]]"},"behavior":"Isolated"}}""",
        "\"pre_tokenizer.pattern.Regex\": found \"[a[bc]]\"; expected a regular expression without classes in classes.")]
    [DataRow("""{$,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\h"},"behavior":"Isolated"}}""",
        "expected a regular expression without \\h.")]
    [DataRow("""{$,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a++"},"behavior":"Isolated"}}""",
        "expected a regular expression that .NET can read")]
    [DataRow("""{$,"pre_tokenizer":{"type":"UnicodeScripts"}}""",
        "\"pre_tokenizer.type\": found \"UnicodeScripts\"; expected one of ByteLevel, Split, Digits,")]
    [DataRow("""{$,"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"isolated"}}""",
        "\"pre_tokenizer.behavior\": found \"isolated\"; expected one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous.")]
    [DataRow("""{$,"pre_tokenizer":{"type":"Split","pattern":{},"behavior":"Isolated"}}""",
        "\"pre_tokenizer.pattern\": found {}; expected an object with \"String\" or \"Regex\".")]
    [DataRow("""{$,"pre_tokenizer":{"type":"Metaspace","replacement":"ab"}}""",
        "\"pre_tokenizer.replacement\": found \"ab\"; expected one character up to U+FFFF.")]
    [DataRow("""{$,"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}}""",
        "\"pre_tokenizer.prepend_scheme\": found \"last\"; expected one of always, never, first.")]
    [DataRow("""{$,"post_processor":{"type":"Nothing"}}""",
        "\"post_processor.type\": found \"Nothing\"; expected one of ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence.")]
    [DataRow("""{$,"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{}}}""",
        "\"post_processor.single[0].SpecialToken.id\": found \"\\u003Cs\\u003E\"; expected a token of special_tokens beside it.")]
    [DataRow("""{$,"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}],"special_tokens":{}}}""",
        "\"post_processor.single[0].Sequence.id\": found \"B\"; expected \"A\" once")]
    [DataRow("""{$,"post_processor":{"type":"TemplateProcessing","single":[],"special_tokens":{}}}""",
        "\"post_processor.single\": found no Sequence; expected the Sequence \"A\" once.")]
    [DataRow("""
        {$,"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"x"}}],
         "special_tokens":{"x":{"ids":[7]}}}}
        """,
        "\"post_processor\": found id 7; expected ids of model.vocab or added_tokens.")]
    [DataRow("""{$,"decoder":{"type":"CTC"}}""", "\"decoder.type\": found \"CTC\"; expected one of ByteLevel, ByteFallback, Fuse,")]
    [DataRow("""{$,"decoder":{"type":"BPEDecoder","suffix":""}}""", "\"decoder.suffix\": found \"\"; expected a text that is not empty.")]
    [DataRow("""{$,"post_processor":{"type":"BertProcessing","cls":["a"],"sep":["b",1]}}""",
        "\"post_processor.cls\": found [\"a\"]; expected a token and its id")]
    [DataRow("""{$,"decoder":{"type":"Strip","content":" ","start":-1,"stop":0}}""", "\"decoder.start\": found -1; expected a whole number")]
    [DataRow("""{$,"added_tokens":[{"id":0,"content":"x"}]}""",
        "\"added_tokens[0].id\": found 0; expected an id of its own. \"a\" has the same id")]
    [DataRow("""{$,"added_tokens":[{"id":5,"content":"a"}]}""", "\"added_tokens[0].id\": found 5; expected 0, the id of \"a\" in model.vocab.")]
    [DataRow("""{$,"added_tokens":[{"id":5,"content":"x"},{"id":6,"content":"x"}]}""",
        "\"added_tokens[1].content\": found \"x\"; expected a text that is not empty and not another added token's.")]
    [DataRow("""{$,"added_tokens":[{"content":"x"}]}""", "\"added_tokens[0].id\": found no such key; expected a whole number")]
    [DataRow("""{$,"added_tokens":{}}""", "\"added_tokens\": found {}; expected an array.")]
    public void Load_UnsupportedFile_NamesPlaceValueAndExpectation(string json, string message)
    {
        var text = json.Replace("$", Model, StringComparison.Ordinal);
        var refusal = Refusal(text);

        var expected = message.Replace("\\u003C", "<", StringComparison.Ordinal).Replace("\\u003E", ">", StringComparison.Ordinal);
        StringAssert.Contains(refusal.Message, expected);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("{")]
    [DataRow("{\"model\":{}} x")]
    [DataRow("\uFFFD\0\u0001")]
    public void Load_InvalidJson_IsRefused(string text)
    {
        var refusal = Refusal(text);

        StringAssert.EndsWith(refusal.Subject, "tokenizer.json");
        StringAssert.Contains(refusal.Message, "found invalid JSON (");
    }

    [TestMethod]
    [DataRow("normalizer", "normalizers", 9, "found a Sequence in 8 others; expected at most 8. Write the steps into one Sequence.")]
    [DataRow("pre_tokenizer", "pretokenizers", 20, "found a Sequence in 8 others; expected at most 8.")]
    [DataRow("post_processor", "processors", 9, "found a Sequence in 8 others; expected at most 8.")]
    [DataRow("decoder", "decoders", 9, "found a Sequence in 8 others; expected at most 8.")]
    [DataRow("decoder", "decoders", 100_000, "found invalid JSON (")]
    public void Load_DeeplyNestedSequence_IsRefused(string key, string list, int depth, string message)
    {
        var nested = string.Concat(Enumerable.Repeat($$"""{"type":"Sequence","{{list}}":[""", depth)) + string.Concat(Enumerable.Repeat("]}", depth));

        StringAssert.Contains(Refusal($$"""{{{Model}},"{{key}}":{{nested}}}""").Message, message);
    }

    [TestMethod]
    public void Load_MissingFile_IsRefused()
    {
        var path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "tokenizer.json");
        var refusal = Assert.ThrowsExactly<NlftException>(() => HuggingFaceTokenizer.Load(path));

        Assert.AreEqual((path, "no such file"), (refusal.Subject, refusal.Found));
    }

    [TestMethod]
    [DataRow("no such file, but vocab.json and merges.txt", "vocab.json", "merges.txt")]
    [DataRow("no such file, but tokenizer.model", "tokenizer.model")]
    [DataRow("no such file, but spiece.model", "spiece.model")]
    [DataRow("no such file, but vocab.txt", "vocab.txt")]
    [DataRow("no such file, but tekken.json", "tekken.json")]
    public void Load_OtherFilesOfATokenizer_AreNamed(string found, params string[] files)
    {
        using var folder = new TokenizerFolder();
        foreach (var file in files) folder.File(file, "");

        var refusal = Assert.ThrowsExactly<NlftException>(() => HuggingFaceTokenizer.Load(folder.Path));

        Assert.AreEqual(found, refusal.Found);
        StringAssert.Contains(refusal.Message, "Let transformers write one, once: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).");
    }

    [TestMethod]
    [DataRow("tokenizer_config.json", """{"bos_token":3}""", 
        "tokenizer_config.json, \"bos_token\": found 3; expected a string, or an object with \"content\".")]
    [DataRow("tokenizer_config.json", """{"extra_special_tokens":[null]}""", "\"extra_special_tokens[0]\": found null; expected a string, or")]
    [DataRow("tokenizer_config.json", """{"added_tokens_decoder":{"x":{"content":"a"}}}""",
        "\"added_tokens_decoder.x\": found {\"content\":\"a\"}; expected an id as the key.")]
    [DataRow("tokenizer_config.json", """{"added_tokens_decoder":{"1":{}}}""", "\"added_tokens_decoder.1.content\": found no such key;")]
    [DataRow("tokenizer_config.json", """[]""", "tokenizer_config.json: found []; expected tokenizer_config.json of a model: one JSON object.")]
    [DataRow("special_tokens_map.json", """{"eos_token":{}}""",
        "special_tokens_map.json, \"eos_token\": found {}; expected a string, or an object with \"content\".")]
    [DataRow("special_tokens_map.json", """nonsense""", "special_tokens_map.json: found invalid JSON (")]
    public void Load_InvalidFileBesideTheTokenizer_IsRefused(string file, string json, string message)
    {
        using var folder = new TokenizerFolder().Model("a").File(file, json);

        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => folder.Load()).Message, message);
    }

    [TestMethod]
    [TestCategory("Timing")]
    public void Find_CatastrophicPattern_TimesOutWithAMessage()
    {
        var pattern = System.Text.Json.JsonDocument.Parse("\"^(a+)+\\\\1[?]$\"").RootElement;
        var place = new JsonPlace(pattern, new JsonSource("tokenizer.json"), "pre_tokenizer.pattern.Regex");
        var matcher = RegexMatcher.Compile(place, TimeSpan.FromMilliseconds(50));
        var refusal = Assert.ThrowsExactly<NlftException>(() => matcher.Find(new string('a', 40) + "!", [], new()));

        Assert.AreEqual("tokenizer.json, \"pre_tokenizer.pattern.Regex\": found no end to matching a text of 41 characters; "
            + "expected a match within 0.05 seconds. Shorten the text, or use a model with another tokenizer.", refusal.Message);
    }

    /// <summary>.NET parses groups to any depth: it continues on another stack when its own is used up.</summary>
    [TestMethod]
    [DataRow("(", "a", ")", 50_000)]
    [DataRow("(?=", "a", ")", 50_000)]
    [DataRow("[a-z-[", "b", "]]", 20_000)]
    public void Compile_DeeplyNestedPattern_DoesNotCrash(string open, string inside, string close, int depth)
    {
        var pattern = string.Concat(Enumerable.Repeat(open, depth)) + inside + string.Concat(Enumerable.Repeat(close, depth));
        var place = new JsonPlace(System.Text.Json.JsonSerializer.SerializeToElement(pattern),
            new JsonSource("tokenizer.json"), "pre_tokenizer.pattern.Regex");
        try
        {
            RegexMatcher.Compile(place).Find("ab", [], new());
        }
        catch (NlftException refusal)
        {
            StringAssert.StartsWith(refusal.Message, "tokenizer.json, \"pre_tokenizer.pattern.Regex\": found ");
        }
    }

    private static NlftException Refusal(string json)
    {
        using var folder = new TokenizerFolder().File("tokenizer.json", json);
        return Assert.ThrowsExactly<NlftException>(() => HuggingFaceTokenizer.Load(folder.Path));
    }
}
