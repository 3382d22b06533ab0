using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The filters that return text.</summary>
internal static partial class TextFilters
{
    public static IReadOnlyDictionary<string, Filter> All { get; } = new Dictionary<string, Filter>
    {
        ["string"] = (value, a, budget) => Text(value, a, budget),
        ["safe"] = (value, a, budget) => Text(value, a, budget), // nothing is escaped automatically
        ["upper"] = (value, a, budget) => StringMethods.Upper(Text(value, a, budget), budget),
        ["lower"] = (value, a, budget) => StringMethods.Lower(Text(value, a, budget), budget),
        ["capitalize"] = (value, a, budget) => StringMethods.Capitalize(Text(value, a, budget), budget),
        ["title"] = (value, a, budget) => Title(Text(value, a, budget), budget),
        ["trim"] = (value, a, budget) =>
            StringMethods.Strip(PythonText.Of(value, budget), a.Bind("chars").Text("chars", null), true, true, budget),
        ["replace"] = Replace,
        ["indent"] = Indent,
        ["escape"] = Escape,
        ["e"] = Escape,
        ["wordcount"] = WordCount,
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

    private static string Title(string text, RenderBudget budget)
    {
        var result = new TextBuilder(budget);
        var atStart = true;
        foreach (var rune in text.EnumerateRunes())
        {
            result.Append(atStart ? StringMethods.Upper(rune.ToString(), budget) : StringMethods.Lower(rune.ToString(), budget));
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
        var lines = StringMethods.SplitLines(text + "\n", keepEnds: false, budget);
        var (first, blank) = (arguments.Flag("first"), arguments.Flag("blank"));
        var result = new TextBuilder(budget);
        for (var i = 0; i < lines.Count; i++)
        {
            var line = (string)lines[i]!;
            if (i > 0) result.Append('\n');
            if (i == 0 ? first : line.Length > 0 || blank) result.Append(indent);
            result.Append(line);
        }

        return result.ToString();
    }

    private static string Spaces(long width, RenderBudget budget)
    {
        budget.CountCharacters(width);
        return new string(' ', (int)Math.Max(width, 0));
    }

    private static object? Escape(object? value, CallArguments arguments, RenderBudget budget)
    {
        var result = new TextBuilder(budget);
        foreach (var c in Text(value, arguments, budget))
        {
            switch (c)
            {
                case '&': result.Append("&amp;"); break;
                case '<': result.Append("&lt;"); break;
                case '>': result.Append("&gt;"); break;
                case '\'': result.Append("&#39;"); break;
                case '"': result.Append("&#34;"); break;
                default: result.Append(c); break;
            }
        }

        return result.ToString();
    }

    private static object? WordCount(object? value, CallArguments arguments, RenderBudget budget)
    {
        var text = Text(value, arguments, budget);
        budget.Touch(text.Length);
        return (long)Word.Count(text);
    }
}
