namespace Microsoft.ML.Nlft.Common;

/// <summary>Finds the known name that a misspelt one most likely means.</summary>
public static class NearestName
{
    private const int ShortName = 4, LongName = 6;

    /// <summary>
    /// Returns the first name that starts with the word, else the one with the smallest edit distance, at most a third of the word's length (and 2
    /// for short words); null when there is none.
    /// </summary>
    /// <param name="word">The misspelt name.</param>
    /// <param name="names">The known names.</param>
    public static string? Find(string word, IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(word);
        names = names.Order(StringComparer.Ordinal).ToList();
        if (word.Length > 2 && names.FirstOrDefault(name => name.StartsWith(word, StringComparison.OrdinalIgnoreCase)) is { } longer) return longer;
        var best = names.Select(name => (name, Distance: Distance(word.ToLowerInvariant(), name.ToLowerInvariant())))
            .OrderBy(pair => pair.Distance).FirstOrDefault();
        return best.name is not null && best.Distance <= Math.Max(2, word.Length / 3) ? best.name : null;
    }

    /// <summary>
    /// Returns the name that is almost the expected one: apart from case, blanks, underscores and hyphens, at most two letters differ, one in a name
    /// of fewer than six letters, none in one of fewer than four; null when there is none.
    /// </summary>
    /// <param name="expected">The expected name, for example <c>Judgment</c>.</param>
    /// <param name="names">The names that there are, for example of columns.</param>
    public static string? Misspelt(string expected, IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(expected);
        var letters = Letters(expected);
        var most = letters.Length < ShortName ? 0 : letters.Length < LongName ? 1 : 2;
        return names.Select(name => (name, Letters: Letters(name)))
            .Where(pair => Math.Abs(pair.Letters.Length - letters.Length) <= most) // a name of any length costs little
            .Select(pair => (pair.name, Distance: Distance(letters, pair.Letters)))
            .OrderBy(pair => pair.Distance).FirstOrDefault(pair => pair.Distance <= most).name;
    }

    private static string Letters(string name) =>
        string.Concat(name.Where(letter => !char.IsWhiteSpace(letter) && letter is not '_' and not '-')).ToLowerInvariant();

    /// <summary>Computes the Levenshtein distance: the fewest insertions, deletions and replacements of one character.</summary>
    private static int Distance(string a, string b)
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
