using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Translates the vocabulary of a GGUF file to the tokenizer.json and tokenizer_config.json of the same model. Two kinds are read: gpt2, byte-level
/// byte-pair encoding with merges, and llama, SentencePiece-style pieces with scores.
/// </summary>
internal sealed class GgufVocabulary
{
    private const string Prefix = "tokenizer.ggml.";
    private const string TokensKey = Prefix + "tokens", TypesKey = Prefix + "token_type";
    private const string ScoresKey = Prefix + "scores", MergesKey = Prefix + "merges";
    private const string ModelKey = Prefix + "model", TemplateKey = "tokenizer.chat_template", TemplatesKey = "tokenizer.chat_templates";
    private const int LongestPiece = 512; // characters of a SentencePiece-style token; each of them is split at every place
    private const string Space = "\u2581"; // how SentencePiece writes a space

    private static readonly (string Role, string Key)[] s_roles =
    [
        ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("sep_token", "seperator"), // the format's own spelling
        ("pad_token", "padding"), ("mask_token", "mask"),
    ];

    private readonly GgufMetadata _metadata;
    private readonly string[] _tokens;
    private readonly TokenKind[] _kinds;

    private enum TokenKind
    {
        Undefined, Normal, Unknown, Control, UserDefined, Unused, Byte,
    }

    private GgufVocabulary(GgufMetadata metadata)
    {
        _metadata = metadata;
        var tokens = metadata.Texts(TokensKey) is { Length: > 0 } found ? found : throw metadata.Refuse(TokensKey, "a list of tokens");
        // A plain space in a SentencePiece-style token, which the user defined, stands for SentencePiece's own.
        _tokens = metadata.Text(ModelKey) == "llama" ? Array.ConvertAll(tokens, token => token.Replace(" ", Space, StringComparison.Ordinal))
            : tokens;
        var kinds = metadata.Integers(TypesKey);
        if (kinds is not null && kinds.Length != _tokens.Length) throw metadata.Refuse(TypesKey, $"{_tokens.Length} values, one per token");
        _kinds = kinds is null ? [.. _tokens.Select(_ => TokenKind.Normal)] : Array.ConvertAll(kinds, kind => (TokenKind)kind);
    }

    /// <summary>Whether the file holds a vocabulary.</summary>
    public static bool IsIn(GgufMetadata metadata) => metadata.Contains(ModelKey);

    /// <summary>Returns tokenizer.json.</summary>
    /// <exception cref="NlftException">
    /// The vocabulary is of another kind, names an unknown pre-tokenizer, or its lists do not fit together.
    /// </exception>
    public static byte[] ToTokenizerJson(GgufMetadata metadata) => metadata.Text(ModelKey) switch
    {
        "gpt2" => new GgufVocabulary(metadata).ByteLevel(),
        "llama" => new GgufVocabulary(metadata).SentencePiece(),
        _ => throw metadata.Refuse(ModelKey, "\"gpt2\" or \"llama\"", "Use a model whose tokenizer is of one of these kinds."),
    };

    /// <summary>Returns tokenizer_config.json: the tokens that have a role, and the chat template.</summary>
    public static byte[] ToConfigurationJson(GgufMetadata metadata)
    {
        var vocabulary = new GgufVocabulary(metadata);
        var config = new JsonObject { ["clean_up_tokenization_spaces"] = false, ["tokenizer_class"] = "PreTrainedTokenizerFast" };
        foreach (var (role, key) in s_roles)
        {
            if (vocabulary.TokenId(key) is { } id) config[role] = vocabulary._tokens[id];
        }
        if (Templates(metadata) is { } template) config["chat_template"] = template;
        return Encoding.UTF8.GetBytes(config.ToJsonString());
    }

    private static JsonNode? Templates(GgufMetadata metadata)
    {
        var single = metadata.Text(TemplateKey);
        if (metadata.Texts(TemplatesKey) is not { } names) return single;
        var all = new JsonArray();
        if (single is not null) all.Add(Named("default", single));
        foreach (var name in names)
        {
            var key = $"{TemplateKey}.{name}";
            all.Add(Named(name, metadata.Text(key) ?? throw metadata.Refuse(key, $"the template that {TemplatesKey} names")));
        }
        return all;

        static JsonNode Named(string name, string template) => new JsonObject { ["name"] = name, ["template"] = template };
    }

    private byte[] ByteLevel()
    {
        var splitter = GgufPreTokenizer.Of(_metadata);
        var merges = _metadata.Texts(MergesKey) ?? throw _metadata.Refuse(MergesKey, "a list of merges");
        return Write(
            normalizer: splitter.Composes ? new JsonObject { ["type"] = "NFC" } : null,
            preTokenizer: splitter.ToJson(),
            decoder: new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = true, ["trim_offsets"] = true, ["use_regex"] = true },
            addsBeginning: splitter.AddsBeginning,
            model: writer =>
            {
                writer.WriteBoolean("byte_fallback", false);
                writer.WriteBoolean("ignore_merges", splitter.IgnoresMerges);
                writer.WriteStartArray("merges");
                foreach (var merge in merges) writer.WriteStringValue(merge);
                writer.WriteEndArray();
            });
    }

    private byte[] SentencePiece()
    {
        var prefixes = _metadata.Flag(Prefix + "add_space_prefix") ?? true;
        var replace = Replace(" ", Space);
        List<JsonNode> decoders = [Replace(Space, " "), new JsonObject { ["type"] = "ByteFallback" }, new JsonObject { ["type"] = "Fuse" }];
        if (prefixes) decoders.Add(new JsonObject { ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0 });
        return Write(
            normalizer: prefixes ? new JsonObject
            {
                ["type"] = "Sequence", ["normalizers"] = new JsonArray(new JsonObject { ["type"] = "Prepend", ["prepend"] = Space }, replace),
            } : replace,
            preTokenizer: null,
            decoder: new JsonObject { ["type"] = "Sequence", ["decoders"] = new JsonArray([.. decoders]) },
            addsBeginning: true,
            model: writer =>
            {
                if (TokenId("unknown") is { } unknown) writer.WriteString("unk_token", _tokens[unknown]);
                writer.WriteBoolean("fuse_unk", true);
                writer.WriteBoolean("byte_fallback", true);
                writer.WriteBoolean("ignore_merges", false);
                writer.WriteStartArray("merges");
                foreach (var (left, right) in Merges())
                {
                    writer.WriteStartArray();
                    writer.WriteStringValue(left);
                    writer.WriteStringValue(right);
                    writer.WriteEndArray();
                }
                writer.WriteEndArray();
            });

        static JsonObject Replace(string from, string to) =>
            new() { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = from }, ["content"] = to };
    }

    /// <summary>
    /// Returns the merges that scores stand for, as transformers derives them: every way to split a piece into two pieces, the pieces of the highest
    /// score first; of one score the longest left parts first, then the longest right parts. Pieces of spaces alone come last, whatever their score
    /// says: SentencePiece scores them so, and files whose scores were made from the order of the tokens do not.
    /// </summary>
    private IEnumerable<(string Left, string Right)> Merges()
    {
        var scores = _metadata.Floats(ScoresKey) ?? throw _metadata.Refuse(ScoresKey, "a list of scores");
        if (scores.Length != _tokens.Length || Array.Exists(scores, float.IsNaN))
            throw _metadata.Refuse(ScoresKey, $"{_tokens.Length} numbers, one per token");
        var ids = new Dictionary<string, int>(_tokens.Length, StringComparer.Ordinal);
        for (var id = 0; id < _tokens.Length; id++)
        {
            if (_kinds[id] is TokenKind.Normal or TokenKind.UserDefined) ids.TryAdd(_tokens[id], id);
        }
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var merges = new List<(int Whole, int Left, int Right)>(ids.Count);
        foreach (var (piece, whole) in ids)
        {
            if (piece.Length > LongestPiece)
            {
                throw new NlftException($"{_metadata.File}, \"{TokensKey}\", token {whole}", $"{piece.Length} characters",
                    $"at most {LongestPiece}", GgufMetadata.Remedy);
            }
            for (var cut = 1; cut < piece.Length; cut++)
            {
                if (lookup.TryGetValue(piece.AsSpan(0, cut), out var left) && lookup.TryGetValue(piece.AsSpan(cut), out var right))
                    merges.Add((whole, left, right));
            }
        }
        return merges.OrderByDescending(merge => IsSpaces(merge.Whole) ? float.NegativeInfinity : scores[merge.Whole])
            .ThenByDescending(merge => _tokens[merge.Left].Length)
            .ThenByDescending(merge => _tokens[merge.Right].Length).Select(merge => (_tokens[merge.Left], _tokens[merge.Right]));

        bool IsSpaces(int id) => _kinds[id] == TokenKind.Normal && _tokens[id].AsSpan().IndexOfAnyExcept(Space[0]) < 0;
    }

    private byte[] Write(JsonObject? normalizer, JsonObject? preTokenizer, JsonObject decoder, bool addsBeginning, Action<Utf8JsonWriter> model)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("version", "1.0");
            WriteAddedTokens(writer);
            Member("normalizer", normalizer);
            Member("pre_tokenizer", preTokenizer);
            Member("post_processor", PostProcessor(addsBeginning));
            Member("decoder", decoder);
            writer.WriteStartObject("model");
            writer.WriteString("type", "BPE");
            WriteVocabulary(writer);
            model(writer);
            writer.WriteEndObject();
            writer.WriteEndObject();

            void Member(string name, JsonObject? value)
            {
                writer.WritePropertyName(name);
                if (value is null) writer.WriteNullValue();
                else value.WriteTo(writer);
            }
        }
        return buffer.ToArray();
    }

    /// <summary>Writes the tokens that are searched in the text: control tokens, which are special, and those that the user defined.</summary>
    private void WriteAddedTokens(Utf8JsonWriter writer)
    {
        var isPhi = _metadata.Text("general.architecture") == "phi3";
        writer.WriteStartArray("added_tokens");
        for (var id = 0; id < _tokens.Length; id++)
        {
            if (_kinds[id] is not (TokenKind.Control or TokenKind.UserDefined or TokenKind.Unknown) || _tokens[id].Length == 0) continue;
            writer.WriteStartObject();
            writer.WriteNumber("id", id);
            writer.WriteString("content", _tokens[id]);
            // As llama.cpp knows of Phi-3: its tokens of turns take the white space that follows them.
            writer.WriteBoolean("rstrip", isPhi && _kinds[id] == TokenKind.Control && _tokens[id] is not ("<unk>" or "<s>" or "<|endoftext|>"));
            writer.WriteBoolean("normalized", false);
            writer.WriteBoolean("special", _kinds[id] != TokenKind.UserDefined);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>
    /// Writes the tokens that the model can make of a text, those of <see cref="WriteAddedTokens"/> only where a text can need them: control tokens
    /// stay out, so that no text becomes one by merges.
    /// </summary>
    private void WriteVocabulary(Utf8JsonWriter writer)
    {
        var seen = new Dictionary<string, int>(_tokens.Length, StringComparer.Ordinal);
        writer.WriteStartObject("vocab");
        for (var id = 0; id < _tokens.Length; id++)
        {
            if (_tokens[id].Length == 0) continue;
            if (!seen.TryAdd(_tokens[id], id))
            {
                throw new NlftException($"{_metadata.File}, \"{TokensKey}\", token {id}", $"the text of token {seen[_tokens[id]]}",
                    "a text of its own", GgufMetadata.Remedy);
            }
            if (_kinds[id] is not (TokenKind.Control or TokenKind.Unused)) writer.WriteNumber(_tokens[id], id);
        }
        writer.WriteEndObject();
    }

    private JsonObject? PostProcessor(bool addsBeginning)
    {
        var (first, last) = (Added("bos", addsBeginning), Added("eos", false));
        if (first is null && last is null) return null;
        var (single, known) = (new List<JsonNode>(), new JsonObject());
        if (first is { } beginning) single.Add(Special(beginning));
        single.Add(new JsonObject { ["Sequence"] = new JsonObject { ["id"] = "A", ["type_id"] = 0 } });
        if (last is { } end) single.Add(Special(end));
        return new JsonObject
        {
            ["type"] = "TemplateProcessing", ["single"] = new JsonArray([.. single]), ["pair"] = new JsonArray(), ["special_tokens"] = known,
        };

        int? Added(string role, bool otherwise) => _metadata.Flag($"{Prefix}add_{role}_token") ?? otherwise ? TokenId(role) : null;

        JsonObject Special(int id)
        {
            var token = _tokens[id];
            known[token] = new JsonObject { ["id"] = token, ["ids"] = new JsonArray(id), ["tokens"] = new JsonArray(token) };
            return new JsonObject { ["SpecialToken"] = new JsonObject { ["id"] = token, ["type_id"] = 0 } };
        }
    }

    private int? TokenId(string role)
    {
        var key = $"{Prefix}{role}_token_id";
        return _metadata.Integer(key) is not { } id ? null
            : id < _tokens.Length ? id : throw _metadata.Refuse(key, $"an id below {_tokens.Length}, the number of tokens");
    }
}
