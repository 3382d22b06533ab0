using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Export;

namespace Microsoft.ML.Nlft.Tests.Export;

/// <summary>The way a tokenizer splits texts has a name in llama.cpp, or is refused.</summary>
[TestClass]
public sealed class PreTokenizerNameTests
{
    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("gpt2", "gpt-2")]
    [DataRow("gpt2-old-fields", "gpt-2")]
    [DataRow("llama3", "llama-bpe")]
    [DataRow("llama3-without-ignore-merges", "dbrx")]
    [DataRow("qwen2", "qwen2")]
    [DataRow("smollm", "smollm")]
    public void Of_KnownSteps_IsTheirName(string folder, string name)
    {
        if (!Directory.Exists(Fixtures.Path_("golden", "tokenizers", folder))) Assert.Inconclusive("the shared test data are not there");
        Assert.AreEqual(name, PreTokenizerName.Of(JsonFile.Load(new(Fixtures.Path_("golden", "tokenizers", folder, "tokenizer.json"), "tokenizer"))));
    }

    private const string Bytes = """{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}""";

    [TestMethod]
    [DataRow("null", """{"type":"ByteLevel","add_prefix_space":true}""", "\"pre_tokenizer\", as GGUF")]
    [DataRow("null", """{"type":"ByteLevel"}""", "\"pre_tokenizer\", as GGUF")]
    [DataRow("null", "null", "\"pre_tokenizer\", as GGUF: found null")]
    [DataRow("null", """{"type":"Whitespace"}""", "found {\"type\":\"Whitespace\"}; expected the steps of default, llama3")]
    [DataRow("null", $$"""{"type":"Sequence","pretokenizers":[{"type":"Punctuation"},{{Bytes}}]}""", "\"pre_tokenizer\", as GGUF")]
    [DataRow("null", $$"""{"type":"Sequence","pretokenizers":[{{Bytes}},{"type":"Digits"}]}""", "\"pre_tokenizer\", as GGUF")]
    [DataRow("null", $$$"""{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated"},{{{Bytes}}}]}""",
        "\"pre_tokenizer\", as GGUF")]
    [DataRow("""{"type":"NFKC"}""", """{"type":"ByteLevel","add_prefix_space":false}""",
        "\"normalizer\", as GGUF: found {\"type\":\"NFKC\"}; expected NFC or none")]
    [DataRow("""{"type":"Lowercase"}""", """{"type":"ByteLevel","add_prefix_space":false}""", "\"normalizer\", as GGUF")]
    public void Of_OtherSteps_AreRefusedByName(string normalizer, string splitter, string message)
    {
        var text = $$"""{"normalizer":{{normalizer}},"pre_tokenizer":{{splitter}},"model":{} }""";
        var file = new JsonPlace(JsonDocument.Parse(text).RootElement, new("tokenizer.json", "a tokenizer"));
        Assert.Contains(message, Assert.ThrowsExactly<NlftException>(() => PreTokenizerName.Of(file)).Message);
    }

    /// <summary>Digits one by one before the splits are a step of their own; ignoring merges belongs to the name.</summary>
    [TestMethod]
    public void Of_SameSplitsButOtherMerges_IsAnotherName()
    {
        const string splitter = """
            {
              "type": "Sequence",
              "pretokenizers": [{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]
            }
            """;
        Assert.AreEqual("smollm", PreTokenizerName.Of(Place("false")));
        Assert.ThrowsExactly<NlftException>(() => PreTokenizerName.Of(Place("true")));

        JsonPlace Place(string ignores)
        {
            var text = $$"""{"normalizer":null,"pre_tokenizer":{{splitter}},"model":{"ignore_merges":{{ignores}} } }""";
            return new(JsonDocument.Parse(text).RootElement, new("tokenizer.json", "a tokenizer"));
        }
    }
}
