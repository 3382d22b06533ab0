using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>Builds a temporary folder with a small tokenizer.json: valid by default, each part replaceable.</summary>
internal sealed class TokenizerFolder : IDisposable
{
    /// <summary>The ByteLevel step of GPT-2, without a prefix space.</summary>
    public const string Gpt2Split = """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}""";

    /// <summary>The normalizer of SentencePiece-style tokenizers: prepends a mark and replaces spaces by it.</summary>
    public const string SentencePieceNormalizer = """
        {"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}
        """;

    private readonly JsonObject _root = Parse("""
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
         "normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":null}
        """);

    public TokenizerFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "nlft-tokenizer-" + Guid.NewGuid().ToString("N"));

    /// <summary>Sets a model whose tokens have the ids 0, 1, 2, ... and whose merges have the form "left right".</summary>
    public TokenizerFolder Model(string tokens, string merges = "", string options = "{}")
    {
        var model = Parse(options);
        model["type"] = "BPE";
        var vocabulary = new JsonObject();
        foreach (var token in tokens.Split(' ')) vocabulary[token] = vocabulary.Count;

        model["vocab"] = vocabulary;
        model["merges"] = new JsonArray([.. merges.Split(", ", StringSplitOptions.RemoveEmptyEntries).Select(m => (JsonNode)m)]);
        _root["model"] = model;
        return this;
    }

    public TokenizerFolder Set(string key, string json)
    {
        _root[key] = JsonNode.Parse(json);
        return this;
    }

    public TokenizerFolder AddedToken(int id, string content, bool special = true, string flags = "{}")
    {
        var token = Parse(flags);
        (token["id"], token["content"], token["special"]) = (id, content, special);
        _root["added_tokens"]!.AsArray().Add(token);
        return this;
    }

    /// <summary>Writes another file into the folder.</summary>
    public TokenizerFolder File(string name, string text)
    {
        System.IO.File.WriteAllText(System.IO.Path.Combine(Path, name), text);
        return this;
    }

    public HuggingFaceTokenizer Load()
    {
        File("tokenizer.json", _root.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        return HuggingFaceTokenizer.Load(Path);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static JsonObject Parse(string json) => JsonNode.Parse(json)!.AsObject();
}
