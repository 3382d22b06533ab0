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
