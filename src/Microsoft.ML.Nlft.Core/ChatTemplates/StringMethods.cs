using System.Text;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The methods of Python's str that templates use.</summary>
internal static class StringMethods
{
    private static readonly HashSet<string> Unsupported =
        ["casefold", "encode", "expandtabs", "format", "format_map", "isidentifier", "isprintable", "maketrans", "translate"];

    /// <summary>Returns the method of a name bound to a text, or null if strings have no such method.</summary>
    public static TemplateCallable? Find(string text, string name, RenderBudget budget)
    {
        if (Unsupported.Contains(name))
        {
            throw new TemplateError($"the string method {name}", "split, strip, replace, startswith, endswith, join or another supported method");
        }
        return Body(text, name, budget) is { } body ? new TemplateCallable(name, arguments => body(arguments)) : null;
    }

    private static Func<CallArguments, object?>? Body(string s, string name, RenderBudget budget) => name switch
    {
        "strip" => a => Strip(s, a.Bind("chars").Text("chars", null), true, true),
        "lstrip" => a => Strip(s, a.Bind("chars").Text("chars", null), true, false),
        "rstrip" => a => Strip(s, a.Bind("chars").Text("chars", null), false, true),
        "startswith" => a => Affix(s, a, budget, (text, affix) => text.StartsWith(affix, StringComparison.Ordinal)),
        "endswith" => a => Affix(s, a, budget, (text, affix) => text.EndsWith(affix, StringComparison.Ordinal)),
        "removeprefix" => a => s.StartsWith(a.Bind("prefix").Text("prefix"), StringComparison.Ordinal) ? s[a.Text("prefix").Length..] : s,
        "removesuffix" => a => s.EndsWith(a.Bind("suffix").Text("suffix"), StringComparison.Ordinal) ? s[..^a.Text("suffix").Length] : s,
        "split" => a => Split(s, a.Bind("sep", "maxsplit").Text("sep", null), a.Integer("maxsplit", -1), budget),
        "rsplit" => a => SplitFromEnd(s, a.Bind("sep", "maxsplit").Text("sep", null), a.Integer("maxsplit", -1), budget),
        "splitlines" => a => SplitLines(s, a.Bind("keepends").Flag("keepends"), budget),
        "partition" => a => Partition(s, a.Bind("sep").Text("sep"), s.IndexOf(a.Text("sep"), StringComparison.Ordinal), fromEnd: false),
        "rpartition" => a => Partition(s, a.Bind("sep").Text("sep"), s.LastIndexOf(a.Text("sep"), StringComparison.Ordinal), fromEnd: true),
        "join" => a => Join(s, a.Bind("iterable").Get("iterable"), budget),
        "replace" => a => Replace(s, a.Bind("old", "new", "count").Text("old"), a.Text("new"), a.Integer("count", -1), budget),
        "count" => a => Count(s, a.Bind("sub").Text("sub")),
        "find" => a => Find(s, a, (text, sub) => text.IndexOf(sub, StringComparison.Ordinal)),
        "rfind" => a => Find(s, a, (text, sub) => text.LastIndexOf(sub, StringComparison.Ordinal)),
        "index" => a => Find(s, a, (text, sub) => text.IndexOf(sub, StringComparison.Ordinal)) is var i and >= 0 ? i : throw NotFound(),
        "rindex" => a => Find(s, a, (text, sub) => text.LastIndexOf(sub, StringComparison.Ordinal)) is var i and >= 0 ? i : throw NotFound(),
        "upper" => a => a.Bind() is var _ ? Upper(s) : null,
        "lower" => a => a.Bind() is var _ ? Lower(s) : null,
        "capitalize" => a => a.Bind() is var _ ? Capitalize(s) : null,
        "title" => a => a.Bind() is var _ ? Title(s) : null,
        "swapcase" => a => a.Bind() is var _ ? SwapCase(s) : null,
        "isspace" => a => a.Bind() is var _ && s.Length > 0 && s.All(PythonText.IsSpace),
        "isdigit" or "isdecimal" or "isnumeric" => a => a.Bind() is var _ && s.Length > 0 && s.EnumerateRunes().All(Rune.IsDigit),
        "isalpha" => a => a.Bind() is var _ && s.Length > 0 && s.EnumerateRunes().All(Rune.IsLetter),
        "isalnum" => a => a.Bind() is var _ && s.Length > 0 && s.EnumerateRunes().All(Rune.IsLetterOrDigit),
        "isascii" => a => a.Bind() is var _ && Ascii.IsValid(s),
        "isupper" => a => a.Bind() is var _ && HasCase(s, Rune.IsUpper),
        "islower" => a => a.Bind() is var _ && HasCase(s, Rune.IsLower),
        "istitle" => a => a.Bind() is var _ && s.EnumerateRunes().Any(r => Rune.IsUpper(r) || Rune.IsLower(r)) && Title(s) == s,
        "ljust" => a => Pad(s, a.Bind("width", "fillchar"), budget, padding => (0, padding)),
        "rjust" => a => Pad(s, a.Bind("width", "fillchar"), budget, padding => (padding, 0)),
        "center" => a => Pad(s, a.Bind("width", "fillchar"), budget, padding => Centre(padding, a.Integer("width", 0))),
        "zfill" => a => ZeroFill(s, a.Bind("width").Integer("width", 0), budget),
        _ => null,
    };

    private static TemplateError NotFound() => new("a text that index does not find", "one that is in the string");

    /// <summary>Removes white space, or the given characters, from the ends.</summary>
    public static string Strip(string text, string? characters, bool left, bool right)
    {
        var (start, end) = (0, text.Length);
        bool IsStripped(char c) => characters is null ? PythonText.IsSpace(c) : characters.Contains(c);
        while (left && start < end && IsStripped(text[start])) start++;
        while (right && end > start && IsStripped(text[end - 1])) end--;
        return text[start..end];
    }

    private static object? Affix(string text, CallArguments arguments, RenderBudget budget, Func<string, string, bool> test)
    {
        arguments.Bind("affix", "start", "end");
        if (arguments.Positional.Count > 1)
        {
            text = (string)Members.Slice(text, arguments.Get("start", null), arguments.Get("end", null), null, budget)!;
        }

        return arguments.Get("affix") is TemplateTuple several
            ? several.Any(affix => affix is string one && test(text, one))
            : test(text, arguments.Text("affix"));
    }

    /// <summary>
    /// Splits at a separator, or at white space for null; after <paramref name="maximum"/> splits (negative: no limit) the rest is one part.
    /// </summary>
    private static List<object?> Split(string text, string? separator, long maximum, RenderBudget budget)
    {
        if (separator == "") throw new TemplateError("an empty separator of split", "one character or more");
        var parts = new List<object?>();
        var limit = maximum < 0 ? long.MaxValue : maximum;
        var start = separator is null ? SkipSpace(0) : 0;
        while (parts.Count < limit && start <= text.Length)
        {
            var end = separator is null ? WordEnd(start) : text.IndexOf(separator, start, StringComparison.Ordinal);
            if (end < 0 || (separator is null && end == start)) break;
            parts.Add(text[start..end]);
            start = separator is null ? SkipSpace(end) : end + separator.Length;
        }

        if (separator is not null || start < text.Length) parts.Add(text[start..]);
        budget.CountCharacters(text.Length);
        budget.CountItems(parts.Count);
        return parts;

        int SkipSpace(int i)
        {
            while (i < text.Length && PythonText.IsSpace(text[i])) i++;
            return i;
        }

        int WordEnd(int i)
        {
            while (i < text.Length && !PythonText.IsSpace(text[i])) i++;
            return i;
        }
    }

    /// <summary>Splits from the end, by splitting the reversed text.</summary>
    private static List<object?> SplitFromEnd(string text, string? separator, long maximum, RenderBudget budget)
    {
        var parts = Split(Reverse(text), separator is null ? null : Reverse(separator), maximum, budget);
        return [.. parts.Select(part => Reverse((string)part!)).Reverse()];

        static string Reverse(string s) => string.Create(s.Length, s, (span, source) =>
        {
            source.CopyTo(span);
            span.Reverse();
        });
    }

    /// <summary>Splits a text at Python's line boundaries.</summary>
    public static List<object?> SplitLines(string text, bool keepEnds, RenderBudget budget)
    {
        var lines = new List<object?>();
        for (var start = 0; start < text.Length;)
        {
            var end = start;
            while (end < text.Length && !IsLineEnd(text[end])) end++;
            var next = Math.Min(end + 1, text.Length);
            if (next < text.Length && text[end] == '\r' && text[next] == '\n') next++;
            lines.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }

        budget.CountCharacters(text.Length);
        budget.CountItems(lines.Count);
        return lines;

        static bool IsLineEnd(char c) => c is '\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029';
    }

    private static TemplateTuple Partition(string text, string separator, int at, bool fromEnd)
    {
        if (separator.Length == 0) throw new TemplateError("an empty separator of partition", "one character or more");
        if (at < 0) return fromEnd ? new("", "", text) : new(text, "", "");
        return new(text[..at], separator, text[(at + separator.Length)..]);
    }

    private static string Join(string separator, object? items, RenderBudget budget)
    {
        var parts = Operators.ToList(items, budget);
        foreach (var part in parts)
        {
            if (part is not string) throw new TemplateError($"{PythonText.TypeName(part)} to join", "strings");
        }

        return Concatenate(parts.Cast<string>().ToList(), separator, budget);
    }

    /// <summary>Joins texts after counting the characters of the result.</summary>
    public static string Concatenate(IReadOnlyCollection<string> parts, string separator, RenderBudget budget)
    {
        budget.CountCharacters(parts.Sum(part => (long)part.Length) + ((long)separator.Length * Math.Max(parts.Count - 1, 0)));
        return string.Join(separator, parts);
    }

    /// <summary>Replaces the first <paramref name="count"/> occurrences, or all if it is negative.</summary>
    public static string Replace(string text, string old, string replacement, long count, RenderBudget budget)
    {
        var limit = count < 0 ? long.MaxValue : count;
        var places = Math.Min(Count(text, old), limit);
        budget.CountCharacters(text.Length + (places * replacement.Length));
        if (old.Length == 0)
        {
            var characters = PythonText.Characters(text, budget);
            var all = characters.Select((c, i) => i < places ? replacement + c : c);
            return string.Concat(all) + (characters.Count < places ? replacement : "");
        }

        if (places >= Count(text, old)) return text.Replace(old, replacement, StringComparison.Ordinal);
        var result = new StringBuilder();
        var start = 0;
        for (; places > 0; places--)
        {
            var at = text.IndexOf(old, start, StringComparison.Ordinal);
            result.Append(text, start, at - start).Append(replacement);
            start = at + old.Length;
        }

        return result.Append(text, start, text.Length - start).ToString();
    }

    private static long Count(string text, string part)
    {
        if (part.Length == 0) return PythonText.Length(text) + 1;
        var count = 0L;
        for (var i = text.IndexOf(part, StringComparison.Ordinal); i >= 0; i = text.IndexOf(part, i + part.Length, StringComparison.Ordinal)) count++;
        return count;
    }

    private static long Find(string text, CallArguments arguments, Func<string, string, int> find)
    {
        var at = find(text, arguments.Bind("sub").Text("sub"));
        return at < 0 ? -1 : PythonText.Length(text[..at]);
    }

    public static string Upper(string text) => text.ToUpperInvariant().Replace("ß", "SS");

    public static string Lower(string text) => text.ToLowerInvariant();

    public static string Capitalize(string text)
    {
        var first = char.IsSurrogate(text.FirstOrDefault()) ? 2 : 1;
        return text.Length < first ? Lower(text) : Upper(text[..first]) + Lower(text[first..]);
    }

    private static string SwapCase(string text) =>
        string.Concat(text.EnumerateRunes().Select(rune => Rune.IsUpper(rune) ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune)));

    private static string Title(string text)
    {
        var inWord = false;
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            result.Append(inWord ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune));
            inWord = Rune.IsUpper(rune) || Rune.IsLower(rune);
        }

        return result.ToString();
    }

    private static bool HasCase(string text, Func<Rune, bool> wanted)
    {
        var cased = text.EnumerateRunes().Where(rune => Rune.IsUpper(rune) || Rune.IsLower(rune)).ToList();
        return cased.Count > 0 && cased.All(wanted);
    }

    private static (long, long) Centre(long padding, long width) =>
        (padding / 2 + (padding & width & 1), padding - (padding / 2 + (padding & width & 1)));

    private static string Pad(string text, CallArguments arguments, RenderBudget budget, Func<long, (long Left, long Right)> share)
    {
        var fill = arguments.Text("fillchar", " ");
        if (PythonText.Length(fill) != 1) throw new TemplateError($"'{fill}' to fill with", "one character");
        var width = arguments.Integer("width", 0);
        budget.CountCharacters(width);
        var (left, right) = share(Math.Max(width - PythonText.Length(text), 0));
        return string.Concat(Enumerable.Repeat(fill, (int)left)) + text + string.Concat(Enumerable.Repeat(fill, (int)right));
    }

    private static string ZeroFill(string text, long width, RenderBudget budget)
    {
        budget.CountCharacters(width);
        var zeros = new string('0', (int)Math.Max(width - PythonText.Length(text), 0));
        return text is ['+' or '-', ..] ? text[0] + zeros + text[1..] : zeros + text;
    }
}
