using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>The kinds of layouts that rows to train on have.</summary>
internal enum LayoutKind
{
    Rows,
    Questions,
    Published,
    Instructions,
    Messages,
    Conversations,
    Completions,
    Text,
}

/// <summary>A layout of rows to train on: the columns by which it is recognised, in any case, and its name.</summary>
/// <param name="Kind">The layout.</param>
/// <param name="Name">The name that a user reads.</param>
/// <param name="Columns">The columns that it must have.</param>
/// <param name="Without">Columns that make it another layout.</param>
internal sealed record RowLayout(LayoutKind Kind, string Name, string[] Columns, params string[] Without)
{
    /// <summary>The optional columns of chat rows.</summary>
    public const string Tools = "tools", TemplateVariables = "chat_template_kwargs", System = "system";

    private static readonly string[] s_names = ["id"];

    /// <summary>Whether its rows are conversations or texts.</summary>
    public bool IsChat => Kind >= LayoutKind.Messages;

    /// <summary>The one table of layouts.</summary>
    private static RowLayout[] All(DataColumns columns) =>
    [
        new(LayoutKind.Rows, "NLFT rows", [columns.Question, columns.Response]),
        new(LayoutKind.Questions, "questions and answers", [columns.Question, columns.Answer], columns.Response),
        new(LayoutKind.Published, "NLFT rows as published", ["instruction", "output", "judgment"]),
        new(LayoutKind.Published, "NLFT rows as published", ["instruction", "output", "answer"], "judgment"),
        new(LayoutKind.Instructions, "instructions (alpaca)", ["instruction", "output"], "judgment", "answer"),
        new(LayoutKind.Messages, "chat rows: messages", ["messages"]),
        new(LayoutKind.Conversations, "chat rows: conversations (ShareGPT)", ["conversations"], "messages"),
        new(LayoutKind.Completions, "prompts and completions", ["prompt", "completion"]),
    ];

    private static readonly RowLayout s_text = new(LayoutKind.Text, "plain text", ["text"]);

    /// <summary>Recognises the layout of a file or a view by its columns.</summary>
    /// <param name="found">The columns there are.</param>
    /// <param name="place">The file or the view.</param>
    /// <param name="columns">The names of the columns of NLFT rows. Names that differ from the default say that the rows are of that layout.</param>
    /// <exception cref="NlftException">The columns fit no layout, or more than one.</exception>
    public static RowLayout Of(IReadOnlyCollection<string> found, string place, DataColumns columns)
    {
        var there = found.ToHashSet(StringComparer.OrdinalIgnoreCase);
        var all = All(columns);
        var fitting = Array.FindAll(all, layout => Array.TrueForAll(layout.Columns, there.Contains) && !layout.Without.Any(there.Contains));
        if (columns != new DataColumns()) return Array.Find(fitting, layout => layout.Kind <= LayoutKind.Questions) ?? all[0];
        if (fitting.Length == 1) return fitting[0];
        if (fitting.Length == 0 && there.Contains(columns.Question)) return all[0]; // the reader of rows names what is missing
        if (fitting.Length == 0 && there.Except(s_names, StringComparer.OrdinalIgnoreCase).SequenceEqual(s_text.Columns)) return s_text;
        if (fitting.Length == 0) new ColumnCheck([.. all.SelectMany(layout => layout.Columns).Distinct()]).Require(place, found);
        throw new NlftException(place, $"the columns {NameList.Quoted(found)}"
            + (fitting.Length == 0 ? "" : $", which are {string.Join(" and ", fitting.Select(layout => layout.Name))}"),
            $"the columns of one layout: {string.Join("; ", all.Append(s_text).Select(layout => string.Join(", ", layout.Columns)).Distinct())}",
            fitting.Length == 0 ? "Rename the columns, or name those of the question and the response (nlft: --column-question, --column-response)."
                : "Leave out the columns that are not to be trained on.");
    }
}
