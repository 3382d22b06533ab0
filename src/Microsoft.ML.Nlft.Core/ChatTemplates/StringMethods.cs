using System.Text;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The methods of Python's str that templates use.</summary>
internal static class StringMethods
{
    private static readonly HashSet<string> Unsupported =
        ["casefold", "encode", "expandtabs", "format", "format_map", "isidentifier", "isprintable", "maketrans", "translate"];

    /// <summary>
    /// Returns the method of a name bound to a text, or null if strings have no such method. A call counts the text's length; the methods count what
    /// they touch beyond it.
    /// </summary>
    public static TemplateCallable? Find(string text, string name, RenderBudget budget)
    {
        if (Unsupported.Contains(name))
        {
            throw new TemplateError($"the string method {name}", "split, strip, replace, startswith, endswith, join or another supported method");
        }

        if (Body(text, name, budget) is not { } body) return null;
        budget.Allocate(256);
        return new TemplateCallable(name, arguments =>
        {
            if (name is not ("startswith" or "endswith")) budget.Touch(text.Length);
            return body(arguments);
        });
    }

    private static Func<CallArguments, object?>? Body(string s, string name, RenderBudget budget) => name switch
    {
        "strip" => a => Strip(s, a.Bind("chars").Text("chars", null), true, true, budget),
        "lstrip" => a => Strip(s, a.Bind("chars").Text("chars", null), true, false, budget),
        "rstrip" => a => Strip(s, a.Bind("chars").Text("chars", null), false, true, budget),
        "startswith" => a => Affix(s, a, budget, (text, affix) => text.StartsWith(affix, StringComparison.Ordinal)),
        "endswith" => a => Affix(s, a, budget, (text, affix) => text.EndsWith(affix, StringComparison.Ordinal)),
        "removeprefix" => a => s.StartsWith(a.Bind("prefix").Text("prefix"), StringComparison.Ordinal) ? s[a.Text("prefix").Length..] : s,
        "removesuffix" => a => s.EndsWith(a.Bind("suffix").Text("suffix"), StringComparison.Ordinal) ? s[..^a.Text("suffix").Length] : s,
        "split" => a => Split(s, a.Bind("sep", "maxsplit").Text("sep", null), a.Integer("maxsplit", -1), budget),
        "rsplit" => a => SplitFromEnd(s, a.Bind("sep", "maxsplit").Text("sep", null), a.Integer("maxsplit", -1), budget),
        "splitlines" => a => SplitLines(s, a.Bind("keepends").Flag("keepends"), budget),
        "partition" => a => Partition(s, a.Bind("sep").Text("sep"), fromEnd: false, budget),
        "rpartition" => a => Partition(s, a.Bind("sep").Text("sep"), fromEnd: true, budget),
        "join" => a => Join(s, a.Bind("iterable").Get("iterable"), budget),
        "replace" => a => Replace(s, a.Bind("old", "new", "count").Text("old"), a.Text("new"), a.Integer("count", -1), budget),
        "count" => a => Count(s, a.Bind("sub").Text("sub"), budget),
        "find" => a => Find(s, a, last: false, budget),
        "rfind" => a => Find(s, a, last: true, budget),
        "index" => a => Find(s, a, last: false, budget) is var i and >= 0 ? i : throw NotFound(),
        "rindex" => a => Find(s, a, last: true, budget) is var i and >= 0 ? i : throw NotFound(),
        "upper" => a => a.Bind() is var _ ? Upper(s, budget) : null,
        "lower" => a => a.Bind() is var _ ? Lower(s, budget) : null,
        "capitalize" => a => a.Bind() is var _ ? Capitalize(s, budget) : null,
        "title" => a => a.Bind() is var _ ? Title(s, budget) : null,
        "swapcase" => a => a.Bind() is var _ ? SwapCase(s, budget) : null,
        "isspace" => a => a.Bind() is var _ && s.Length > 0 && s.All(PythonText.IsSpace),
        "isdigit" or "isdecimal" or "isnumeric" => a => a.Bind() is var _ && s.Length > 0 && s.EnumerateRunes().All(Rune.IsDigit),
        "isalpha" => a => a.Bind() is var _ && s.Length > 0 && s.EnumerateRunes().All(Rune.IsLetter),
        "isalnum" => a => a.Bind() is var _ && s.Length > 0 && s.EnumerateRunes().All(Rune.IsLetterOrDigit),
        "isascii" => a => a.Bind() is var _ && Ascii.IsValid(s),
        "isupper" => a => a.Bind() is var _ && HasCase(s, Rune.IsUpper),
        "islower" => a => a.Bind() is var _ && HasCase(s, Rune.IsLower),
        "istitle" => a => a.Bind() is var _ && s.EnumerateRunes().Any(r => Rune.IsUpper(r) || Rune.IsLower(r)) && Title(s, budget) == s,
        "ljust" => a => Pad(s, a.Bind("width", "fillchar"), budget, padding => (0, padding)),
        "rjust" => a => Pad(s, a.Bind("width", "fillchar"), budget, padding => (padding, 0)),
        "center" => a => Pad(s, a.Bind("width", "fillchar"), budget, padding => Centre(padding, a.Integer("width", 0))),
        "zfill" => a => ZeroFill(s, a.Bind("width").Integer("width", 0), budget),
        _ => null,
    };

    private static TemplateError NotFound() => new("a text that index does not find", "one that is in the string");

    /// <summary>Removes white space, or the given characters, from the ends.</summary>
    public static string Strip(string text, string? characters, bool left, bool right, RenderBudget budget)
    {
        budget.Touch((long)text.Length + (characters?.Length ?? 0));
        var set = characters is null ? null : new HashSet<char>(characters);
        var (start, end) = (0, text.Length);
        bool IsStripped(char c) => set?.Contains(c) ?? PythonText.IsSpace(c);
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

        return arguments.Get("affix") is TemplateTuple several ? several.Any(Matches) : Matches(arguments.Text("affix"));

        bool Matches(object? affix)
        {
            if (affix is not string part) return false;
            budget.Touch(part.Length);
            return test(text, part);
        }
    }

    /// <summary>
    /// Splits at a separator, or at white space for null; after <paramref name="maximum"/> splits (negative: no limit) the rest is one part.
    /// </summary>
    private static List<object?> Split(string text, string? separator, long maximum, RenderBudget budget)
    {
        if (separator == "") throw new TemplateError("an empty separator of split", "one character or more");
        var search = separator is null ? null : PythonText.Search(text, separator, budget);
        var parts = new List<object?>();
        var limit = maximum < 0 ? long.MaxValue : maximum;
        var start = separator is null ? SkipSpace(0) : 0;
        while (parts.Count < limit && start <= text.Length)
        {
            var end = search is null ? WordEnd(start) : search.Next(start);
            if (end < 0 || (search is null && end == start)) break;
            AddPart(parts, text[start..end], budget);
            start = separator is null ? SkipSpace(end) : end + separator.Length;
        }

        if (separator is not null || start < text.Length) AddPart(parts, text[start..], budget);
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

    private static void AddPart(List<object?> parts, string part, RenderBudget budget)
    {
        budget.Step();
        parts.Add(part);
    }

    /// <summary>Splits from the end, by splitting the reversed text.</summary>
    private static List<object?> SplitFromEnd(string text, string? separator, long maximum, RenderBudget budget)
    {
        budget.Touch(2L * text.Length);
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
        budget.Touch(text.Length);
        var lines = new List<object?>();
        for (var start = 0; start < text.Length;)
        {
            var end = start;
            while (end < text.Length && !IsLineEnd(text[end])) end++;
            var next = Math.Min(end + 1, text.Length);
            if (next < text.Length && text[end] == '\r' && text[next] == '\n') next++;
            AddPart(lines, text[start..(keepEnds ? next : end)], budget);
            start = next;
        }

        return lines;

        static bool IsLineEnd(char c) => c is '\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029';
    }

    private static TemplateTuple Partition(string text, string separator, bool fromEnd, RenderBudget budget)
    {
        if (separator.Length == 0) throw new TemplateError("an empty separator of partition", "one character or more");
        var search = PythonText.Search(text, separator, budget);
        var at = fromEnd ? search.Last() : search.Next();
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
        var left = count < 0 ? long.MaxValue : count;
        var search = PythonText.Search(text, old, budget);
        var result = new TextBuilder(budget);
        var start = 0;
        while (left-- > 0 && search.Next(start) is var at and >= 0)
        {
            result.Append(text.AsSpan(start, at - start)).Append(replacement);
            start = at + old.Length;
            if (old.Length > 0) continue;
            if (at == text.Length) break;
            start += char.IsSurrogatePair(text, at) ? 2 : 1;
            result.Append(text.AsSpan(at, start - at));
        }

        return start == 0 && result.Length == 0 ? text : result.Append(text.AsSpan(start)).ToString();
    }

    private static long Count(string text, string part, RenderBudget budget) =>
        part.Length == 0 ? PythonText.Length(text, budget) + 1 : PythonText.Search(text, part, budget).Count();

    private static long Find(string text, CallArguments arguments, bool last, RenderBudget budget)
    {
        var search = PythonText.Search(text, arguments.Bind("sub").Text("sub"), budget);
        var at = last ? search.Last() : search.Next();
        return at < 0 ? -1 : PythonText.Length(text.AsSpan(0, at), budget);
    }

    public static string Upper(string text, RenderBudget budget)
    {
        budget.Touch(text.Length);
        budget.CountCharacters((long)text.Length + text.AsSpan().Count('ß'));
        return text.ToUpperInvariant().Replace("ß", "SS");
    }

    public static string Lower(string text, RenderBudget budget)
    {
        budget.CountCharacters(text.Length);
        return text.ToLowerInvariant();
    }

    public static string Capitalize(string text, RenderBudget budget)
    {
        var first = char.IsSurrogate(text.FirstOrDefault()) ? 2 : 1;
        if (text.Length < first) return Lower(text, budget);
        return Concatenate([Upper(text[..first], budget), Lower(text[first..], budget)], "", budget);
    }

    private static string SwapCase(string text, RenderBudget budget)
    {
        var result = new TextBuilder(budget);
        foreach (var rune in text.EnumerateRunes()) result.Append(Rune.IsUpper(rune) ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune));
        return result.ToString();
    }

    private static string Title(string text, RenderBudget budget)
    {
        var inWord = false;
        var result = new TextBuilder(budget);
        foreach (var rune in text.EnumerateRunes())
        {
            result.Append(inWord ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune));
            inWord = Rune.IsUpper(rune) || Rune.IsLower(rune);
        }

        return result.ToString();
    }

    private static bool HasCase(string text, Func<Rune, bool> wanted)
    {
        var any = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (!Rune.IsUpper(rune) && !Rune.IsLower(rune)) continue;
            if (!wanted(rune)) return false;
            any = true;
        }

        return any;
    }

    private static (long, long) Centre(long padding, long width) =>
        (padding / 2 + (padding & width & 1), padding - (padding / 2 + (padding & width & 1)));

    private static string Pad(string text, CallArguments arguments, RenderBudget budget, Func<long, (long Left, long Right)> share)
    {
        var fill = arguments.Text("fillchar", " ");
        if (PythonText.Length(fill, budget) != 1) throw new TemplateError($"'{fill}' to fill with", "one character");
        var width = arguments.Integer("width", 0);
        var padding = Math.Max(width - PythonText.Length(text, budget), 0);
        budget.CountCharacters(Math.Min(padding, int.MaxValue) * fill.Length + text.Length);
        var (left, right) = share(padding);
        return string.Concat(Enumerable.Repeat(fill, (int)left)) + text + string.Concat(Enumerable.Repeat(fill, (int)right));
    }

    private static string ZeroFill(string text, long width, RenderBudget budget)
    {
        budget.CountCharacters(Math.Max(width, text.Length));
        var zeros = new string('0', (int)Math.Max(width - PythonText.Length(text, budget), 0));
        return text is ['+' or '-', ..] ? text[0] + zeros + text[1..] : zeros + text;
    }
}
