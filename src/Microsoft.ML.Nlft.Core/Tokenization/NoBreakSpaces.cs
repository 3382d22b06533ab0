using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Repairs copies of Llama 2's tokenizer.json in which each no-break space (U+00A0) has become a plain space. Hugging Face cannot read
/// them: the merge of two no-break spaces is three spaces there. The repair is unambiguous: a SentencePiece-style model never sees a plain
/// space (the normalizer turns each into U+2581), so a plain space in one of its tokens can only be a lost no-break space.
/// </summary>
internal static class NoBreakSpaces
{
    private const char PlainSpace = ' ';
    private const char NoBreakSpace = '\u00A0';

    /// <summary>Tells whether a file has lost them: it has byte fallback and a "left right" merge with more than one space.</summary>
    public static bool AreLost(JsonPlace model) =>
        model["byte_fallback"].Boolean(false)
        && model["merges"].Items()
            .Any(merge => merge.Value.ValueKind == System.Text.Json.JsonValueKind.String && merge.String().AsSpan().Count(PlainSpace) > 1);

    /// <summary>Restores the vocabulary. Added tokens stay as they are: they are matched in the input text.</summary>
    public static Vocabulary Restore(Vocabulary vocabulary, IEnumerable<AddedToken> addedTokens)
    {
        var added = addedTokens.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        var restored = new Vocabulary(vocabulary.Count);
        foreach (var (token, id) in vocabulary.Entries)
        {
            var meant = token.Replace(PlainSpace, NoBreakSpace);
            restored.TryAdd(added.Contains(token) || vocabulary[meant] >= 0 ? token : meant, id);
        }

        return restored;
    }

    /// <summary>Restores a merge: its separator is the space around which both halves and their concatenation are tokens; else null.</summary>
    public static string? Restore(string merge, Vocabulary vocabulary)
    {
        var meant = merge.Replace(PlainSpace, NoBreakSpace);
        for (var cut = merge.IndexOf(PlainSpace); cut >= 0; cut = merge.IndexOf(PlainSpace, cut + 1))
        {
            if (vocabulary[meant.AsSpan(0, cut)] >= 0 && vocabulary[meant.AsSpan(cut + 1)] >= 0 && vocabulary[meant.Remove(cut, 1)] >= 0)
            {
                return string.Concat(meant.AsSpan(0, cut), " ", meant.AsSpan(cut + 1));
            }
        }

        return null;
    }
}
