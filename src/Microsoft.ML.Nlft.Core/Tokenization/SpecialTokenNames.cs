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
        var first = Open(Path.Combine(folder, "tokenizer_config.json"));
        var second = Open(Path.Combine(folder, "special_tokens_map.json"));
        return new SpecialTokenNames(
            Token("bos_token"),
            Token("eos_token"),
            Token("unk_token"),
            Token("pad_token"),
            // The default of transformers.
            CleanUpSpaces: first is not { } given || given["clean_up_tokenization_spaces"].Boolean(true));

        string? Token(string name) => (first is { } a ? Text(a[name]) : null) ?? (second is { } b ? Text(b[name]) : null);
    }

    private static JsonPlace? Open(string path) => File.Exists(path) ? JsonFile.Load(new(path, $"{Path.GetFileName(path)} of a model")) : null;

    /// <summary>Reads a token: a string or an object with "content".</summary>
    private static string? Text(JsonPlace token) =>
        token.IsNull ? null : token.Value.ValueKind == JsonValueKind.Object ? token["content"].String() : token.String();
}
