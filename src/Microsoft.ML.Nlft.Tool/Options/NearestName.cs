namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>Finds the known name that a misspelt one most likely means.</summary>
internal static class NearestName
{
    /// <summary>Returns " Did you mean 'x'?", or an empty text when no name is close.</summary>
    public static string Suggestion(string word, IEnumerable<string> names) => Find(word, names) is { } name ? $" Did you mean '{name}'?" : "";

    /// <summary>
    /// Returns the first name that starts with the word, else the one with the smallest edit distance, at most a third of the word's length (and 2
    /// for short words); null when there is none.
    /// </summary>
    public static string? Find(string word, IEnumerable<string> names)
    {
        names = names.Order(StringComparer.Ordinal).ToList();
        if (word.Length > 2 && names.FirstOrDefault(name => name.StartsWith(word, StringComparison.OrdinalIgnoreCase)) is { } longer) return longer;
        var best = names.Select(name => (name, Distance: Distance(word.ToLowerInvariant(), name.ToLowerInvariant())))
            .OrderBy(pair => pair.Distance).FirstOrDefault();
        return best.name is not null && best.Distance <= Math.Max(2, word.Length / 3) ? best.name : null;
    }

    /// <summary>Computes the Levenshtein distance: the fewest insertions, deletions and replacements of one character.</summary>
    internal static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}
