using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Filters that make text.</summary>
internal static partial class TextFilters
{
    public static IReadOnlyDictionary<string, Filter> All { get; } = new Dictionary<string, Filter>
    {
        ["string"] = (value, a, budget) => Only(value, a, budget),
        ["safe"] = (value, a, budget) => Only(value, a, budget), // nothing is ever escaped here
        ["upper"] = (value, a, budget) => budget.Made(StringMethods.Upper(Only(value, a, budget))),
        ["lower"] = (value, a, budget) => budget.Made(StringMethods.Lower(Only(value, a, budget))),
        ["capitalize"] = (value, a, budget) => budget.Made(StringMethods.Capitalize(Only(value, a, budget))),
        ["title"] = (value, a, budget) => budget.Made(Title(Only(value, a, budget))),
        ["trim"] = (value, a, budget) =>
            budget.Made(StringMethods.Strip(PythonText.Of(value, budget), a.Bind("chars").Text("chars", null), true, true)),
        ["replace"] = Replace,
        ["indent"] = Indent,
        ["escape"] = Escape,
        ["e"] = Escape,
        ["wordcount"] = (value, a, budget) => (long)Word.Count(Only(value, a, budget)),
        ["tojson"] = (value, a, budget) => PythonJson.Write(value, a, budget),
    };

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word { get; }

    /// <summary>The text of the value for a filter without arguments.</summary>
    private static string Only(object? value, CallArguments arguments, RenderBudget budget)
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
        string Text(object? part) => PythonText.Of(part, budget);
        var count = arguments.IntegerOrNone("count") ?? -1;
        return StringMethods.Replace(Text(value), Text(arguments.Get("old")), Text(arguments.Get("new")), count, budget);
    }

    /// <summary>Indents every line but the first (unless <c>first</c>) and empty ones (unless <c>blank</c>).</summary>
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
        budget.Text(width);
        return new string(' ', (int)Math.Max(width, 0));
    }

    private static object? Escape(object? value, CallArguments arguments, RenderBudget budget) => budget.Made(
        Only(value, arguments, budget).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("'", "&#39;").Replace("\"", "&#34;"));
}
