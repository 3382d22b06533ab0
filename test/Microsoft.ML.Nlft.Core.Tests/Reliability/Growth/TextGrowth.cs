using System.Text.Json;
using Microsoft.ML.Nlft.Tests.Tokenization;
using Microsoft.ML.Nlft.Tokenization;
using static Microsoft.ML.Nlft.Tests.Reliability.Growth.GrowthCase;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>The steps and models of tokenizers, over long texts and many ids.</summary>
internal static class TextGrowth
{
    private const string BytePairs = """
        {"type":"BPE","unk_token":"?","vocab":{"?":0,"a":1,"b":2,"ab":3,"1":4," ":5,"aa":6,"aaaa":7},"merges":["a b","a a","aa aa"]}
        """;

    private const string Unigrams = """{"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["ab",-1.5],["aaaa",-2],[" ",-1]]}""";

    private const string WordPieces = """
        {"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##","vocab":{"?":0,"a":1,"##a":2}}
        """;

    /// <summary>A character map whose 256 units lead from no character to another.</summary>
    private static string NoCharacters => Convert.ToBase64String([.. BitConverter.GetBytes(256 * sizeof(uint)), .. new byte[256 * sizeof(uint)]]);

    /// <summary>Texts that different steps find hard.</summary>
    private static readonly string[] s_units = ["a", "a ", " ", "\u00e9", "<|x|", "\n", "a1 ", "ab", "\U0001F600", "e\u0301\u0323", "\u4e00"];

    /// <summary>Every normalizer, pre-tokenizer and decoder.</summary>
    public static IReadOnlyList<(string Key, string Step)> Steps { get; } =
    [
        .. Plain("normalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "Strip"),
        ("normalizer", """{"type":"Prepend","prepend":"aa"}"""),
        ("normalizer", """{"type":"Replace","pattern":{"String":"a"},"content":"bb"}"""),
        ("normalizer", """{"type":"Replace","pattern":{"Regex":"a+"},"content":"b"}"""),
        ("normalizer", """{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":true,"lowercase":true}"""),
        ("normalizer", $$"""{"type":"Precompiled","precompiled_charsmap":"{{NoCharacters}}"}"""),
        ("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"NFC"}]}"""),
        .. Plain("pre_tokenizer", "Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Punctuation"),
        ("pre_tokenizer", TokenizerFolder.Gpt2Split),
        ("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"[^ ]+"},"behavior":"MergedWithPrevious","invert":false}"""),
        ("pre_tokenizer", """{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithNext","invert":false}"""),
        ("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":true}"""),
        ("pre_tokenizer", """{"type":"Digits","individual_digits":true}"""),
        ("pre_tokenizer", """{"type":"CharDelimiterSplit","delimiter":"a"}"""),
        ("pre_tokenizer", """{"type":"Metaspace","replacement":"_","prepend_scheme":"always","split":true}"""),
        ("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},{"type":"Digits","individual_digits":false}]}"""),
        .. Plain("decoder", "ByteLevel", "ByteFallback", "Fuse"),
        ("decoder", """{"type":"Replace","pattern":{"String":"a"},"content":"bb"}"""),
        ("decoder", """{"type":"Strip","content":"a","start":1,"stop":1}"""),
        ("decoder", """{"type":"Metaspace","replacement":"_","prepend_scheme":"always","split":true}"""),
        ("decoder", """{"type":"BPEDecoder","suffix":"b"}"""),
        ("decoder", """{"type":"WordPiece","prefix":"##","cleanup":true}"""),
        ("decoder", """{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"a","start":1000000,"stop":0}]}"""),
    ];

    public static IReadOnlyList<GrowthCase> All { get; } =
    [
        .. from step in Steps from unit in s_units select Step(step.Key, step.Step, unit),
        .. from step in Plain("normalizer", "NFKC", "NFKD") select Step(step.Key, step.Step, "\uFDFA"), // becomes eighteen characters
        .. from unit in s_units select Model("byte pairs", BytePairs, unit),
        .. from unit in s_units select Model("unigrams", Unigrams, unit),
        .. from unit in s_units select Model("WordPiece", WordPieces, unit),
        AddedTokens("<|reserved_token_{0}|>", "<|reserved_token_"), AddedTokens("aaaa{0}b", "aaaa"), AddedTokens("{0}aaaa", "a"),
        AddedTokens("ab{0}", "ab1ab2ab"), AddedTokens("xyxyxyxyxy{0}", "xy"),
    ];

    private static IEnumerable<(string Key, string Step)> Plain(string key, params string[] types) =>
        types.Select(type => (key, $"{{\"type\":\"{type}\"}}"));

    private static GrowthCase Step(string key, string step, string unit) => new($"{key} {step} on {Name(unit)}", (folder, n) =>
    {
        var tokenizer = Load(folder, BytePairs, $"\"{key}\":{step},\"added_tokens\":[{{\"id\":9,\"content\":\"<|x|>\"}}]");
        var text = Repeat(unit, n);
        if (key != "decoder") return () => tokenizer.Encode(text, addSpecialTokens: false, [0..1, (text.Length / 2)..text.Length]);
        int[] ids = [.. tokenizer.EncodeToIds(text)];
        return () => tokenizer.Decode(ids, skipSpecialTokens: false);
    });

    private static GrowthCase Model(string name, string model, string unit) => new($"{name} on {Name(unit)}", (folder, n) =>
    {
        var tokenizer = Load(folder, model);
        var text = Repeat(unit, n);
        return () => tokenizer.Encode(text, addSpecialTokens: false);
    });

    /// <summary>Many added tokens that begin alike, of which a text has the beginnings.</summary>
    private static GrowthCase AddedTokens(string pattern, string unit) => new($"added tokens {pattern}", (folder, n) =>
    {
        var tokens = Join(5_000, i => $"{{\"id\":{i + 10},\"content\":\"{pattern.Replace("{0}", $"{i}", StringComparison.Ordinal)}\"}}");
        var tokenizer = Load(folder, BytePairs, $"\"added_tokens\":[{tokens}]");
        var text = Repeat(unit, n);
        return () => tokenizer.Encode(text, addSpecialTokens: false);
    });

    private static HuggingFaceTokenizer Load(TemporaryFolder folder, string model, string keys = "\"version\":\"1.0\"")
    {
        folder.Write("tokenizer.json", $"{{{keys},\"model\":{model}}}");
        return HuggingFaceTokenizer.Load(folder.Path);
    }

    private static string Name(string unit) => JsonSerializer.Serialize(unit);
}
