using System.Text.Json;
using System.Text.Unicode;

namespace Microsoft.ML.Nlft.Common;

/// <summary>JSON from files: System.Text.Json lets texts through that it fails on later, when they are read.</summary>
internal static class JsonText
{
    /// <summary>Parses bytes as <see cref="JsonDocument"/> does, and refuses bytes that are not UTF-8 and escapes of half a surrogate pair at once.</summary>
    /// <exception cref="JsonException">The text is no JSON, or one of these.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json, JsonDocumentOptions options = default)
    {
        Check(json.Span, options);
        return JsonDocument.Parse(json, options);
    }

    /// <summary>Refuses bytes that are not UTF-8 and escapes of half a surrogate pair.</summary>
    /// <exception cref="JsonException">It names the place.</exception>
    public static void Check(ReadOnlySpan<byte> json, JsonDocumentOptions options = default)
    {
        if (!Utf8.IsValid(json)) throw new JsonException("The text is not UTF-8.");
        if (json.IndexOf("\\u"u8) < 0) return;
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { AllowTrailingCommas = options.AllowTrailingCommas, CommentHandling = options.CommentHandling, MaxDepth = options.MaxDepth });
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException e)
            {
                throw new JsonException($"Half a surrogate pair in the text at byte {reader.TokenStartIndex}.", e);
            }
        }
    }
}
