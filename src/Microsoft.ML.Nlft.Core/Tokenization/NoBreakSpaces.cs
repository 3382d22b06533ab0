using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Copies of Llama 2's tokenizer.json are about in which each no-break space (U+00A0) has become a plain one. Hugging Face cannot read
/// them: the merge of two no-break spaces is three spaces there. What was meant is still certain, since a SentencePiece-style model never
/// sees a plain space (each has become U+2581), so a plain space in one of its tokens can only be a lost no-break space.
/// </summary>
internal static class NoBreakSpaces
{
    private const char Lost = ' ';
    private const char Meant = '\u00A0';

    /// <summary>Whether a file shows the loss: byte fallback, and a merge in the "left right" spelling with more than one space.</summary>
    public static bool AreLost(JsonPlace model) =>
        model["byte_fallback"].Boolean(false)
        && model["merges"].Items().Any(merge => merge.Value.ValueKind == System.Text.Json.JsonValueKind.String && merge.String().AsSpan().Count(Lost) > 1);

    /// <summary>The vocabulary as it was, added tokens aside: those are found in the text as given.</summary>
    public static Vocabulary Restore(Vocabulary vocabulary, IEnumerable<AddedToken> addedTokens)
    {
        var added = addedTokens.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        var restored = new Vocabulary(vocabulary.Count);
        foreach (var (token, id) in vocabulary.Entries)
        {
            var meant = token.Replace(Lost, Meant);
            restored.TryAdd(added.Contains(token) || vocabulary[meant] >= 0 ? token : meant, id);
        }

        return restored;
    }

    /// <summary>The merge as it was, with one space only: where both halves and their whole are tokens. Null when there is no such place.</summary>
    public static string? Restore(string merge, Vocabulary vocabulary)
    {
        var meant = merge.Replace(Lost, Meant);
        for (var cut = merge.IndexOf(Lost); cut >= 0; cut = merge.IndexOf(Lost, cut + 1))
        {
            if (vocabulary[meant.AsSpan(0, cut)] >= 0 && vocabulary[meant.AsSpan(cut + 1)] >= 0 && vocabulary[meant.Remove(cut, 1)] >= 0)
            {
                return string.Concat(meant.AsSpan(0, cut), " ", meant.AsSpan(cut + 1));
            }
        }

        return null;
    }
}
