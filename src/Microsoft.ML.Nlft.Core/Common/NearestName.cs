namespace Microsoft.ML.Nlft.Common;

/// <summary>Finds the known name that a misspelt one most likely means.</summary>
public static class NearestName
{
    private const int ShortName = 4, LongName = 6, Short = 64;

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
        return names.Select(name => (name, Distance: DistanceOf(expected, name)))
            .Where(pair => pair.Distance is not null).OrderBy(pair => pair.Distance).FirstOrDefault().name;
    }

    /// <summary>Whether a name is almost the expected one, as <see cref="Misspelt"/> defines it.</summary>
    internal static bool IsMisspelt(string expected, string name) => DistanceOf(expected, name) is not null;

    private static bool IsLetter(char letter) => !char.IsWhiteSpace(letter) && letter is not '_' and not '-';

    /// <summary>Returns the distance of a name; null if more letters differ than may. Most names have another length, which costs little.</summary>
    private static int? DistanceOf(string expected, string name)
    {
        var length = Count(expected, int.MaxValue);
        var most = length < ShortName ? 0 : length < LongName ? 1 : 2;
        var count = Count(name, length + most + 1);
        if (Math.Abs(count - length) > most) return null;
        Span<char> letters = length <= Short ? stackalloc char[length] : new char[length];
        Span<char> others = count <= Short ? stackalloc char[count] : new char[count];
        CopyLetters(expected, letters);
        CopyLetters(name, others);
        var distance = Distance(letters, others);
        return distance <= most ? distance : null;
    }

    /// <summary>Counts letters up to a number of them.</summary>
    private static int Count(string name, int most)
    {
        var count = 0;
        foreach (var letter in name)
            if (IsLetter(letter) && ++count == most) break;
        return count;
    }

    private static void CopyLetters(string name, Span<char> letters)
    {
        var count = 0;
        foreach (var letter in name)
            if (IsLetter(letter)) letters[count++] = char.ToLowerInvariant(letter);
    }

    /// <summary>Computes the Levenshtein distance: the fewest insertions, deletions and replacements of one character.</summary>
    private static int Distance(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        Span<int> row = b.Length <= Short ? stackalloc int[b.Length + 1] : new int[b.Length + 1];
        for (var j = 0; j < row.Length; j++) row[j] = j;
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
