using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Runs a regular expression of a tokenizer.json on .NET's engine. That engine sees UTF-16 units, so each character beyond U+FFFF is replaced
/// by one of the same general category from a script that patterns do not name; matches are mapped back.
/// </summary>
internal sealed class RegexMatcher : IMatcher
{
    private const string OtherTokenizer = "This pattern cannot be run as Hugging Face runs it: use a model with another tokenizer.";

    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(5);

    private readonly Regex _regex;
    private readonly string _subject;

    private RegexMatcher(Regex regex, string subject) => (_regex, _subject) = (regex, subject);

    /// <summary>Compiles the pattern at a place in the file.</summary>
    /// <param name="place">The place of the pattern.</param>
    /// <param name="timeout">Longest time from one match to the next; default 5 seconds. <see cref="TextBudget"/> limits all matches.</param>
    /// <exception cref="NlftException">The pattern is invalid, or .NET would read it with another meaning.</exception>
    public static RegexMatcher Compile(JsonPlace place, TimeSpan? timeout = null)
    {
        var pattern = OnigurumaPattern.Translate(place.String(), out var unsupported);
        if (unsupported is not null)
        {
            throw place.Refuse($"a regular expression without {unsupported}", OtherTokenizer);
        }

        try
        {
            ClassSubtractions.Require(pattern);
            // Not NonBacktracking: in .NET 10 that engine misses matches of patterns such as a?b+.
            return new RegexMatcher(new Regex(pattern, RegexOptions.CultureInvariant, timeout ?? DefaultTimeout), place.Subject);
        }
        catch (ArgumentException cause)
        {
            throw place.Refuse($"a regular expression that .NET can read ({cause.Message})", OtherTokenizer, cause);
        }
    }

    public void Find(string text, List<(int Start, int End)> matches, TextBudget budget)
    {
        var (proxy, places) = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? (text, null) : WithSubstitutes(text);
        try
        {
            var since = budget.Now;
            foreach (var match in _regex.EnumerateMatches(proxy))
            {
                var (start, end) = (match.Index, match.Index + match.Length);
                if (places is not null) (start, end) = (places[start], places[end]);

                // An empty match right after another match is the same split again.
                if (start < end || matches.Count == 0 || matches[^1].End != start) matches.Add((start, end));
                since = budget.Spend(since, _subject, text.Length);
            }

            budget.Spend(since, _subject, text.Length);
        }
        catch (RegexMatchTimeoutException cause)
        {
            throw TextBudget.Late(_subject, text.Length, $"a match within {TextBudget.Text(_regex.MatchTimeout.TotalSeconds)} seconds", cause);
        }
    }

    private static (string Proxy, int[] Places) WithSubstitutes(string text)
    {
        var proxy = new StringBuilder(text.Length);
        var places = new List<int>(text.Length + 1);
        for (var i = 0; i < text.Length;)
        {
            var rune = Rune.GetRuneAt(text, i);
            proxy.Append(rune.IsBmp ? text[i] : Substitute(Rune.GetUnicodeCategory(rune)));
            places.Add(i);
            i += rune.Utf16SequenceLength;
        }

        places.Add(text.Length);
        return (proxy.ToString(), [.. places]);
    }

    private static char Substitute(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\uA640',
        UnicodeCategory.LowercaseLetter => '\uA641',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA015',
        UnicodeCategory.OtherLetter => '\uA000',
        UnicodeCategory.NonSpacingMark => '\uA66F',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\uA670',
        UnicodeCategory.DecimalDigitNumber => '\uA620',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.ConnectorPunctuation => '\uFE33',
        UnicodeCategory.DashPunctuation => '\u2E3A',
        UnicodeCategory.OpenPunctuation => '\u2E28',
        UnicodeCategory.ClosePunctuation => '\u2E29',
        UnicodeCategory.InitialQuotePunctuation => '\u2E20',
        UnicodeCategory.FinalQuotePunctuation => '\u2E21',
        UnicodeCategory.OtherPunctuation => '\uA60D',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA720',
        UnicodeCategory.OtherSymbol => '\uA490',
        UnicodeCategory.Format => '\u2060',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFFFE',
    };
}
