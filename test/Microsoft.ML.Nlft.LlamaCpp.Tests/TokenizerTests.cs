using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TestKit;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>llama.cpp finds the same tokens in a text as the tokenizer of the folder.</summary>
[TestClass]
public sealed class TokenizerTests
{
    private static readonly string[] s_texts =
    [
        WrittenModel.Question, "", " ", "a", "  two  blanks ", "1234567 + 89 = 1234656", "line\nbreaks\r\n\n\ttabs", "it's we'll I'M",
        "caf\u00e9 na\u00efve \u4f60\u597d \ud83d\ude00!", "<<2*17=34>>34 marbles.\n#### 29", "x=(a+b)*[c]/{d};",
    ];

    [TestMethod]
    public void Tokenize_SampleModel_EqualsOurs()
    {
        using var folder = ModelFolder.Open(WrittenModel.Sample);
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F16));
        var ours = HuggingFaceTokenizer.Load(folder.Path);
        foreach (var text in s_texts)
        {
            foreach (var special in new[] { false, true })
                CollectionAssert.AreEqual(ours.Encode(text, special, [Range.All]), theirs.Tokenize(text, special, parseSpecial: false), text);
        }
        const string chat = "<|user|>\nWhat is 2+3?<|endoftext|>\n<|assistant|>";
        CollectionAssert.AreEqual(ours.Encode(chat, addSpecialTokens: false), theirs.Tokenize(chat, addSpecial: false, parseSpecial: true), chat);
    }

    /// <summary>The expected ids are those of transformers. Where a tokenizer composes characters (NFC), texts that change are left out.</summary>
    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("gpt2")]
    [DataRow("llama3")]
    [DataRow("llama3-without-ignore-merges")]
    [DataRow("qwen2")]
    [DataRow("smollm")]
    [DataRow("merges-pairs")]
    [DataRow("post-bos")]
    [DataRow("llama2")]
    [DataRow("metaspace-never-whole")]
    public void Tokenize_GoldenVocabulary_EqualsTransformers(string name)
    {
        if (!Directory.Exists(Fixtures.Path_("golden", "tokenizers", name))) Assert.Inconclusive("the shared test data are not there");
        using var folder = WithRandomWeights(Fixtures.Path_("golden", "tokenizers", name));
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F16));
        using var expected = Fixtures.Json("golden", "tokenizers", name, "expected.json");
        var composes = File.ReadAllText(Path.Combine(folder.Path, "tokenizer.json")).Contains("\"NFC\"", StringComparison.Ordinal);
        Compare(theirs, expected.RootElement.GetProperty("cases"), composes, atLeast: 60);
    }

    /// <summary>The vocabulary of Llama 2, with the texts of its fixture; scores stand for the ranks of merges.</summary>
    [TestMethod]
    [TestCategory("Conformance")]
    public void Tokenize_Llama2_EqualsTransformers()
    {
        var path = Fixtures.Path_("fixtures", "tokenizers", "llama2");
        if (!Directory.Exists(path)) Assert.Inconclusive("the shared test data are not there");
        using var folder = WithRandomWeights(path);
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F16));
        using var cases = Fixtures.Json("fixtures", "tokenizers", "llama2", "cases.json");
        foreach (var test in cases.RootElement.EnumerateArray())
        {
            var text = test.GetProperty("input").GetString()!;
            if (text.Length == 0) continue; // transformers gives a space, llama.cpp nothing
            CollectionAssert.AreEqual(test.GetProperty("ids").Ints(), theirs.Tokenize(text, addSpecial: true, parseSpecial: true), text);
        }
    }

    /// <summary>The real model, read from its GGUF file and written anew.</summary>
    [TestMethod]
    [TestCategory("Slow")]
    [TestCategory("Conformance")]
    public void Tokenize_SmolLm2_EqualsTransformers()
    {
        using var folder = WrittenModel.OpenSmolLm2();
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F16));
        using var expected = Fixtures.Json("golden", "smollm2", "tokenizer_expected.json");
        Compare(theirs, expected.RootElement.GetProperty("cases"), composes: false, atLeast: 150);
    }

    private static void Compare(LlamaCppModel theirs, JsonElement cases, bool composes, int atLeast)
    {
        var (count, wrong) = (0, new List<string>());
        foreach (var test in cases.EnumerateArray())
        {
            var text = test.GetProperty("text").GetString()!;
            if (text.Contains('\0') || (composes && text.Any(MayCompose))) continue;
            count++;
            int[] ids = test.GetProperty("ids").Ints(), found = theirs.Tokenize(text, addSpecial: false, parseSpecial: true);
            if (!ids.SequenceEqual(found)) wrong.Add($"{JsonSerializer.Serialize(text)}: {string.Join(' ', ids)} / {string.Join(' ', found)}");
        }
        Assert.IsGreaterThan(atLeast, count);
        Assert.IsEmpty(wrong, $"{wrong.Count} of {count}\n{string.Join('\n', wrong.Take(10))}");
    }

    /// <summary>Marks, conjoining Hangul, and signs that composing replaces by letters.</summary>
    private static bool MayCompose(char c) => c is (>= '\u1100' and <= '\u11FF') or '\u212A' or '\u212B' or '\u2126' or (>= '\uF900' and <= '\uFAFF')
        || CharUnicodeInfo.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    private static ModelFolder WithRandomWeights(string tokenizer)
    {
        var path = TinyModels.NewFolder();
        foreach (var file in Directory.GetFiles(tokenizer, "*.json")) File.Copy(file, Path.Combine(path, Path.GetFileName(file)));
        var size = HuggingFaceTokenizer.Load(path).VocabularySize;
        ModelInitializer.Create(path, TinyModels.Configuration with { VocabularySize = size, EndOfSequenceIds = [0] }, seed: 1);
        return ModelFolder.Open(path);
    }
}
