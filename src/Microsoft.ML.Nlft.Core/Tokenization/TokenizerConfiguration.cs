using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// What a model folder says of its tokenizer beside tokenizer.json, as transformers 5 reads it: tokenizer_config.json, and special_tokens_map.json
/// only where the former has no "added_tokens_decoder"; then each of its keys wins. Either file may be missing.
/// </summary>
internal sealed record TokenizerConfiguration
{
    private const string AddedTokens = "added_tokens_decoder";

    private static readonly string[] Roles =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>The tokens that have a role, by the role's key, for example <c>eos_token</c>.</summary>
    public IReadOnlyDictionary<string, string> Named { get; private init; } = new Dictionary<string, string>();

    /// <summary>Special tokens without a role.</summary>
    public IReadOnlyList<string> Extra { get; private init; } = [];

    /// <summary>The tokens of added_tokens_decoder in the order of their ids there; the ids themselves do not count.</summary>
    public IReadOnlyList<AddedToken> Added { get; private init; } = [];

    /// <summary>"chat_template" of tokenizer_config.json.</summary>
    public JsonPlace ChatTemplate { get; private init; }

    /// <summary>Whether decoding removes the spaces before English punctuation: asked for, and not a byte-pair tokenizer unless forced.</summary>
    public bool CleansUp(ModelKind kind) => _cleansUp && (kind != ModelKind.BytePair || _forcesCleanUp);

    private readonly bool _cleansUp, _forcesCleanUp;

    private TokenizerConfiguration(bool cleansUp, bool forcesCleanUp) => (_cleansUp, _forcesCleanUp) = (cleansUp, forcesCleanUp);

    /// <summary>Reads the documents of a model.</summary>
    public static TokenizerConfiguration Read(ModelDocuments documents)
    {
        var own = documents.Json(ModelDocuments.TokenizerConfiguration);
        var map = own is { } place && !place[AddedTokens].IsMissing ? null : documents.Json(ModelDocuments.SpecialTokens);
        return new TokenizerConfiguration(
            Flag(own, "clean_up_tokenization_spaces"), Flag(own, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"))
        {
            Named = Roles.Select(role => (Role: role, Token: Token(Find(map, own, role)))).Where(named => named.Token is not null)
                .ToDictionary(named => named.Role, named => named.Token!, StringComparer.Ordinal),
            Extra = [.. new[] { "additional_special_tokens", "extra_special_tokens" }.SelectMany(key => Tokens(Find(map, own, key)))],
            Added = own is { } configuration ? Decoder(configuration[AddedTokens]) : [],
            ChatTemplate = own is { } file ? file["chat_template"] : default,
        };
    }

    /// <summary>Reads a token's flags, which tokenizer.json and tokenizer_config.json spell alike.</summary>
    public static AddedToken ReadToken(JsonPlace entry, int id)
    {
        var special = entry["special"].Boolean(false);
        return new AddedToken(
            id, entry["content"].String(), entry["single_word"].Boolean(false), entry["lstrip"].Boolean(false), entry["rstrip"].Boolean(false),
            entry["normalized"].Boolean(!special), special);
    }

    private static JsonPlace Find(JsonPlace? map, JsonPlace? own, string key) =>
        map is { } first && first[key] is { IsMissing: false } value ? value : own is { } second ? second[key] : default;

    private static bool Flag(JsonPlace? own, string key) => own is { } place && place[key].Boolean(false);

    private static string? Token(JsonPlace place) => place.Value.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null => null,
        JsonValueKind.Object when place["content"] is { IsMissing: false } content => content.String(),
        JsonValueKind.String => place.String(),
        _ => throw place.Refuse("a string, or an object with \"content\""),
    };

    /// <summary>Reads a list of tokens, or the tokens of an object.</summary>
    private static IEnumerable<string> Tokens(JsonPlace place)
    {
        if (place.IsNull) return [];

        var tokens = place.Value.ValueKind == JsonValueKind.Object ? place.Members().Select(member => member.Value) : place.Items();
        return tokens.Select(token => Token(token) ?? throw token.Refuse("a string, or an object with \"content\""));
    }

    private static AddedToken[] Decoder(JsonPlace place) =>
        place.IsNull ? []
        : [.. place.Members().Select(entry => ReadToken(entry.Value, Id(entry.Name, entry.Value))).OrderBy(token => token.Id)];

    private static int Id(string key, JsonPlace place) =>
        int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : throw place.Refuse("an id as the key");
}
