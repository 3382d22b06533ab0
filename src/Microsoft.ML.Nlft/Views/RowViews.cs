using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Views;

/// <summary>Converts rows to views and views to rows.</summary>
internal static class RowViews
{
    /// <summary>
    /// Creates a view of rows with the text columns Question, Response, Judgment, Answer and Instruction; missing values are empty texts.
    /// </summary>
    public static IDataView Of(MLContext mlContext, IEnumerable<DataRow> rows) =>
        mlContext.Data.LoadFromEnumerable(rows.Select(row => new ViewRow(row)).ToList());

    /// <summary>Reads every row of a view; blank texts become null. The columns are checked before the first row is read.</summary>
    /// <param name="view">The view.</param>
    /// <param name="columns">The columns to read.</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    /// <exception cref="NlftException">A column is missing or does not hold texts, or a question is blank.</exception>
    public static IReadOnlyList<DataRow> Read(IDataView view, TrainingColumns columns, CancellationToken cancellationToken)
    {
        var names = columns.Names();
        var found = names.ConvertAll(name => TextColumns.Find(view.Schema, name));
        using var cursor = view.GetRowCursor(found);
        var reader = new TextRowReader(cursor, found.Select(column => column.Index));
        var rows = new List<DataRow>();
        while (cursor.MoveNext())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var row = reader.Read();
            string? Text(string? name) =>
                name is not null && row.Texts[names.IndexOf(name)] is var text && !string.IsNullOrWhiteSpace(text) ? text : null;
            rows.Add(new DataRow
            {
                Question = Text(columns.Question)
                    ?? throw new NlftException($"{row.Name}, {columns.Question}", "an empty text", "a text", "Fill it in or leave the row out."),
                Response = Text(columns.Response),
                Judgment = Text(columns.Judgment),
                Answer = Text(columns.Answer),
                Instruction = Text(columns.Instruction),
                Source = row.Name,
            });
        }
        return rows;
    }

    /// <summary>Whether a view has a text column of that name with a text in any row.</summary>
    public static bool HasText(IDataView view, string name, CancellationToken cancellationToken) =>
        view.Schema.GetColumnOrNull(name) is { Type: TextDataViewType } column
        && Texts(view, [column], cancellationToken).Any(row => !string.IsNullOrWhiteSpace(row.Texts[0]));

    /// <summary>Reads the text columns of every row as a JSON object; blank texts are left out.</summary>
    public static IReadOnlyList<(JsonElement Row, string Place)> Objects(IDataView view, CancellationToken cancellationToken)
    {
        var columns = view.Schema.Where(column => !column.IsHidden && column.Type is TextDataViewType).ToList();
        return [.. Texts(view, columns, cancellationToken).Select(row => (JsonSerializer.SerializeToElement(columns.Zip(row.Texts)
            .Where(pair => !string.IsNullOrWhiteSpace(pair.Second)).ToDictionary(pair => pair.First.Name, pair => pair.Second)), row.Name))];
    }

    /// <summary>
    /// Creates a view of rows to train on. Chat rows have the text columns of their layout: messages; or prompt and completion; tools and
    /// chat_template_kwargs. Nested values are JSON.
    /// </summary>
    public static IDataView OfTraining(MLContext mlContext, IReadOnlyList<DataRow> rows) => rows[0].Chat switch
    {
        null => Of(mlContext, rows),
        { Messages: not [], PromptMessages: null } => mlContext.Data.LoadFromEnumerable(rows.Select(row => new ConversationRow(row.Chat!)).ToList()),
        _ => mlContext.Data.LoadFromEnumerable(rows.Select(row => new CompletionRow(row.Chat!)).ToList()),
    };

    private static IEnumerable<TextRow> Texts(IDataView view, IReadOnlyList<DataViewSchema.Column> columns, CancellationToken cancellationToken)
    {
        using var cursor = view.GetRowCursor(columns);
        var reader = new TextRowReader(cursor, columns.Select(column => column.Index));
        while (cursor.MoveNext())
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return reader.Read();
        }
    }

    /// <summary>The columns that conversations share.</summary>
    private abstract class ChatColumns(ChatRow chat)
    {
        [ColumnName("tools")]
        public string Tools { get; } = chat.Tools is { } tools ? JsonSerializer.Serialize(tools) : "";

        [ColumnName("chat_template_kwargs")]
        public string TemplateVariables { get; } = chat.TemplateVariables.Count > 0 ? JsonSerializer.Serialize(chat.TemplateVariables) : "";
    }

    private sealed class ConversationRow(ChatRow chat) : ChatColumns(chat)
    {
        [ColumnName("messages")]
        public string Messages { get; } = JsonSerializer.Serialize(chat.Messages);
    }

    private sealed class CompletionRow(ChatRow chat) : ChatColumns(chat)
    {
        [ColumnName("prompt")]
        public string Prompt { get; } = chat.PromptMessages is { } count ? JsonSerializer.Serialize(chat.Messages.Take(count)) : chat.Prompt ?? "";

        [ColumnName("completion")]
        public string Completion { get; } =
            chat.PromptMessages is { } count ? JsonSerializer.Serialize(chat.Messages.Skip(count)) : chat.Completion ?? "";
    }

    /// <summary>The columns of a row; ML.NET reads them by reflection.</summary>
    private sealed class ViewRow(DataRow row)
    {
        public string Question { get; } = row.Question;

        public string Response { get; } = row.Response ?? "";

        public string Judgment { get; } = row.Judgment ?? "";

        public string Answer { get; } = row.Answer ?? "";

        public string Instruction { get; } = row.Instruction ?? "";
    }
}
