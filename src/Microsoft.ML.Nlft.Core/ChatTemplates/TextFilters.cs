using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The filters that return text.</summary>
internal static partial class TextFilters
{
    public static IReadOnlyDictionary<string, Filter> All { get; } = new Dictionary<string, Filter>
    {
        ["string"] = (value, a, budget) => Text(value, a, budget),
        ["safe"] = (value, a, budget) => Text(value, a, budget), // nothing is escaped automatically
        ["upper"] = (value, a, budget) => budget.Count(StringMethods.Upper(Text(value, a, budget))),
        ["lower"] = (value, a, budget) => budget.Count(StringMethods.Lower(Text(value, a, budget))),
        ["capitalize"] = (value, a, budget) => budget.Count(StringMethods.Capitalize(Text(value, a, budget))),
        ["title"] = (value, a, budget) => budget.Count(Title(Text(value, a, budget))),
        ["trim"] = (value, a, budget) =>
            budget.Count(StringMethods.Strip(PythonText.Of(value, budget), a.Bind("chars").Text("chars", null), true, true)),
        ["replace"] = Replace,
        ["indent"] = Indent,
        ["escape"] = Escape,
        ["e"] = Escape,
        ["wordcount"] = (value, a, budget) => (long)Word.Count(Text(value, a, budget)),
        ["tojson"] = (value, a, budget) => PythonJson.Write(value, a, budget),
    };

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word { get; }

    /// <summary>Returns the text of the value; for filters without arguments.</summary>
    private static string Text(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind();
        return PythonText.Of(value, budget);
    }

    private static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        var atStart = true;
        foreach (var rune in text.EnumerateRunes())
        {
            result.Append(atStart ? StringMethods.Upper(rune.ToString()) : StringMethods.Lower(rune.ToString()));
            atStart = rune.IsBmp && (PythonText.IsSpace((char)rune.Value) || "-({[<".Contains((char)rune.Value));
        }

        return result.ToString();
    }

    private static object? Replace(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind("old", "new", "count");
        string AsText(object? part) => PythonText.Of(part, budget);
        var count = arguments.IntegerOrNone("count") ?? -1;
        return StringMethods.Replace(AsText(value), AsText(arguments.Get("old")), AsText(arguments.Get("new")), count, budget);
    }

    /// <summary>Indents all lines except the first (unless <c>first</c> is set) and empty ones (unless <c>blank</c> is set).</summary>
    private static object? Indent(object? value, CallArguments arguments, RenderBudget budget)
    {
        arguments.Bind("width", "first", "blank");
        var text = value as string ?? throw new TemplateError($"{PythonText.TypeName(value)} to indent", "a string");
        var indent = arguments.Get("width", 4L) as string ?? Spaces(arguments.Integer("width", 4), budget);
        var lines = StringMethods.SplitLines(text + "\n", keepEnds: false, budget).Cast<string>().ToList();
        var (first, blank) = (arguments.Flag("first"), arguments.Flag("blank"));
        bool IsIndented(int i) => i == 0 ? first : lines[i].Length > 0 || blank;
        return StringMethods.Concatenate([.. lines.Select((line, i) => IsIndented(i) ? indent + line : line)], "\n", budget);
    }

    private static string Spaces(long width, RenderBudget budget)
    {
        budget.CountCharacters(width);
        return new string(' ', (int)Math.Max(width, 0));
    }

    private static object? Escape(object? value, CallArguments arguments, RenderBudget budget) => budget.Count(
        Text(value, arguments, budget).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("'", "&#39;").Replace("\"", "&#34;"));
}
