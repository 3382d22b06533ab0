using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// The special tokens and clean-up flag from tokenizer_config.json; tokens it lacks come from special_tokens_map.json. Either file may be missing.
/// </summary>
internal sealed record SpecialTokenNames(string? BeginningOfSequence, string? EndOfSequence, string? Unknown, string? Padding, bool CleanUpSpaces)
{
    public static SpecialTokenNames Read(string folder)
    {
        using var configuration = Open(Path.Combine(folder, "tokenizer_config.json"), out var first);
        using var map = Open(Path.Combine(folder, "special_tokens_map.json"), out var second);
        return new SpecialTokenNames(
            Token("bos_token"),
            Token("eos_token"),
            Token("unk_token"),
            Token("pad_token"),
            // The default of transformers.
            CleanUpSpaces: first is not { } given || given["clean_up_tokenization_spaces"].Boolean(true));

        string? Token(string name) => (first is { } a ? Text(a[name]) : null) ?? (second is { } b ? Text(b[name]) : null);
    }

    private static JsonDocument? Open(string path, out JsonPlace? root)
    {
        root = null;
        if (!File.Exists(path))
        {
            return null;
        }

        var document = TokenizerJson.Parse(path);
        var place = new JsonPlace(document.RootElement, Path.GetFileName(path), string.Empty);
        place.RequireObject();
        root = place;
        return document;
    }

    /// <summary>Reads a token: a string or an object with "content".</summary>
    private static string? Text(JsonPlace token) =>
        token.IsNull ? null : token.Value.ValueKind == JsonValueKind.Object ? token["content"].String() : token.String();
}
