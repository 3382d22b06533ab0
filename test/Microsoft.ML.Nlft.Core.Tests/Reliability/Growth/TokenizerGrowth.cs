using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Tokenization;
using static Microsoft.ML.Nlft.Tests.Reliability.Growth.GrowthCase;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>The lists of tokenizer files.</summary>
internal static class TokenizerGrowth
{
    private const string Nfc = """{"type":"NFC"}""", Fuse = """{"type":"Fuse"}""", Whitespace = """{"type":"Whitespace"}""",
        Trims = """{"type":"ByteLevel","trim_offsets":true,"add_prefix_space":true,"use_regex":true}""";

    public static IReadOnlyList<GrowthCase> All { get; } =
    [
        Json("vocabulary", n => Model($"\"a\":0,\"b\":1,{Join(n, i => $"\"t{i}\":{i + 2}")}")),
        Json("vocabulary of unigrams", n =>
            $"\"model\":{{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],{Join(n, i => $"[\"t{i}\",-{i}]")}]}}"),
        Json("vocabulary of WordPiece", n => "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
            + $"\"vocab\":{{\"[UNK]\":0,{Join(n, i => $"\"t{i}\":{i + 1}")}}}}}"),
        Json("nested tokens", n => Model(Join(n / 4, i => $"\"{Repeat("a", i % 200)}b{i}\":{i}"))),
        Json("merges", n => Model($"\"a\":0,{Join(n, i => $"\"x{i}\":{2 * i + 1},\"ax{i}\":{2 * i + 2}")}", Texts(n, i => $"a x{i}"))),
        Json("pairs of merges", n => Model($"\"a\":0,{Join(n, i => $"\"x{i}\":{2 * i + 1},\"ax{i}\":{2 * i + 2}")}",
            Join(n, i => $"[\"a\",\"x{i}\"]"))),
        Json("added tokens", n => $"\"added_tokens\":[{Join(n, i => $"{{\"id\":{i + 2},\"content\":\"<|reserved_token_{i}|>\"}}")}],{Small}"),
        Json("added tokens that end alike", n => $"\"added_tokens\":[{Join(n, i => $"{{\"id\":{i + 2},\"content\":\"<{i}aaaaaaaa>\"}}")}],{Small}"),
        Json("normalizers", n => $"\"normalizer\":{{\"type\":\"Sequence\",\"normalizers\":[{Join(n, _ => Nfc)}]}},{Small}"),
        Json("pre-tokenizers", n => $"\"pre_tokenizer\":{{\"type\":\"Sequence\",\"pretokenizers\":[{Join(n, _ => Whitespace)}]}},{Small}"),
        Json("decoders", n => $"\"decoder\":{{\"type\":\"Sequence\",\"decoders\":[{Join(n, _ => Fuse)}]}},{Small}"),
        Json("processors", n => $"\"post_processor\":{{\"type\":\"Sequence\",\"processors\":[{Join(n, _ => Trims)}]}},{Small}"),
        Json("processors that add tokens", n =>
            $"\"post_processor\":{{\"type\":\"Sequence\",\"processors\":[{Join(n / 4, _ => Template("[0]", 1))}]}},{Small}"),
        Json("pieces of a template", n => $"\"post_processor\":{Template("[0]", n)},{Small}"),
        Json("ids of a special token", n => $"\"post_processor\":{Template($"[{Join(n, _ => "0")}]", n)},{Small}"),
        Json("character map", n => $"\"normalizer\":{{\"type\":\"Precompiled\",\"precompiled_charsmap\":\""
            + $"{Convert.ToBase64String([.. BitConverter.GetBytes(4 * n), .. new byte[4 * n], .. new byte[n]])}\"}},{Small}"),
        Json("expression", n =>
            $"\"normalizer\":{{\"type\":\"Replace\",\"pattern\":{{\"Regex\":\"{Repeat("ab?", n / 10)}\"}},\"content\":\"\"}},{Small}"),
        Json("alternatives of an expression", n => $"\"pre_tokenizer\":{{\"type\":\"Split\",\"behavior\":\"Isolated\",\"invert\":false,"
            + $"\"pattern\":{{\"Regex\":\"{string.Join('|', Numbers(n / 10).Select(i => $"w{i}"))}\"}}}},{Small}"),
        Json("unknown keys", n => $"\"x\":{{{Join(n, i => $"\"k{i}\":[{i}]")}}},{Small}"),

        Configured("configured tokens", n => $"\"added_tokens_decoder\":{{{Join(n, i => $"\"{i + 2}\":{{\"content\":\"<{i}>\"}}")}}}"),
        Configured("extra tokens", n => $"\"extra_special_tokens\":[{Texts(n, i => $"<{i}>")}]"),
        Configured("named extra tokens", n => $"\"extra_special_tokens\":{{{Join(n, i => $"\"k{i}\":\"<{i}>\"")}}}"),
        Configured("additional tokens", n => $"\"additional_special_tokens\":[{Texts(n, i => $"<{i}>")}]"),
        Configured("keys of the configuration", n => Join(n, i => $"\"k{i}\":{i}")),
        new("additional tokens of the map", (folder, n) =>
        {
            folder.Write("special_tokens_map.json", $"{{\"additional_special_tokens\":[{Texts(n, i => $"<{i}>")}]}}");
            folder.Write("tokenizer_config.json", "{}");
            return Load(folder, Small);
        }),

        Gguf("tokens of GGUF", n => Bytes(n, [.. Numbers(n).Select(i => $"t{i}")], [])),
        Gguf("merges of GGUF", n => Bytes(n, ["a", .. Numbers(n).Select(i => $"x{i}"), .. Numbers(n).Select(i => $"ax{i}")],
            [.. Numbers(n).Select(i => $"a x{i}")])),
        Gguf("control tokens of GGUF", n => Bytes(n, ["a", .. Numbers(n).Select(i => $"<{i}>")], []).Add("tokenizer.ggml.token_type",
            Numbers(n + 1).Select(i => i == 0 ? 1 : 3).ToArray())),
        Gguf("pieces of GGUF", n => new GgufBytes().Add("general.architecture", "llama").Add("tokenizer.ggml.model", "llama")
            .Add("tokenizer.ggml.tokens", new[] { "a" }.Concat(Numbers(n).Select(i => $"ta{i}")).ToArray())
            .Add("tokenizer.ggml.scores", Numbers(n + 1).Select(i => -(float)i).ToArray())),
    ];

    private static string Small => Model("\"a\":0,\"b\":1");

    private static string Model(string vocabulary, string merges = "") =>
        $"\"model\":{{\"type\":\"BPE\",\"vocab\":{{{vocabulary}}},\"merges\":[{merges}]}}";

    private static string Template(string ids, int pieces) => "{\"type\":\"TemplateProcessing\",\"single\":["
        + Repeat("{\"SpecialToken\":{\"id\":\"a\",\"type_id\":0}},", pieces) + "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],"
        + $"\"special_tokens\":{{\"a\":{{\"id\":\"a\",\"ids\":{ids},\"tokens\":[\"a\"]}}}}}}";

    private static GrowthCase Json(string name, Func<int, string> keys) => new(name, (folder, n) => Load(folder, keys(n)));

    private static GrowthCase Configured(string name, Func<int, string> keys) => new(name, (folder, n) =>
    {
        folder.Write("tokenizer_config.json", "{" + keys(n) + "}");
        return Load(folder, Small);
    });

    private static GrowthCase Gguf(string name, Func<int, GgufBytes> file) =>
        Of(name, "model.gguf", n => file(n).Build(), path => HuggingFaceTokenizer.Load(path));

    private static GgufBytes Bytes(int n, string[] tokens, string[] merges) => new GgufBytes().Add("general.architecture", "llama")
        .Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.pre", "smollm").Add("tokenizer.ggml.tokens", tokens)
        .Add("tokenizer.ggml.merges", merges);

    /// <summary>Writes tokenizer.json and loads the folder; what the refusal of too many steps or special tokens takes counts too.</summary>
    private static Func<object?> Load(TemporaryFolder folder, string keys)
    {
        folder.Write("tokenizer.json", "{" + keys + "}");
        return () =>
        {
            try
            {
                return HuggingFaceTokenizer.Load(folder.Path);
            }
            catch (NlftException refusal) when (refusal.Found.StartsWith("more than ", StringComparison.Ordinal))
            {
                return refusal.Found;
            }
        };
    }
}
