using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

public sealed partial class NlftCatalog
{
    /// <summary>
    /// Compares generated answers with gold answers: exact-match accuracy with its 95 % Wilson interval, counts, and the outcome of every row.
    /// </summary>
    /// <param name="predictions">Rows with both columns; reading them generates the answers.</param>
    /// <param name="answerColumnName">Text column with the gold answers.</param>
    /// <param name="generatedColumnName">Text column with the generated answers.</param>
    /// <param name="comparison">How final answers are compared. Default: as exact numbers.</param>
    /// <exception cref="NlftException">A column is missing or does not hold text, there is no row, or a gold answer cannot be read.</exception>
    public EvaluationResult Evaluate(
        IDataView predictions, string answerColumnName = ColumnNames.Answer, string generatedColumnName = ColumnNames.GeneratedAnswer,
        AnswerComparison comparison = AnswerComparison.Number)
    {
        ArgumentNullException.ThrowIfNull(predictions);
        var columns = new[] { answerColumnName, generatedColumnName }.Select(name => TextColumns.Find(predictions.Schema, name)).ToArray();
        var (answers, generated) = (new List<string>(), new List<string>());
        using var cursor = predictions.GetRowCursor(columns);
        var reader = new TextRowReader(cursor, columns.Select(c => c.Index));
        while (cursor.MoveNext())
        {
            var row = reader.Read();
            answers.Add(row.Texts[0]);
            generated.Add(row.Texts[1]);
        }
        return ExactMatchEvaluator.Evaluate(generated, answers, comparison);
    }

    /// <summary>Adds a Boolean column that says whether a row's generated answer is right, to a lazy view.</summary>
    /// <param name="predictions">Rows with both columns.</param>
    /// <param name="answerColumnName">Text column with the gold answers.</param>
    /// <param name="generatedColumnName">Text column with the generated answers.</param>
    /// <param name="outcomeColumnName">Name of the new column.</param>
    /// <param name="comparison">How final answers are compared. Default: as exact numbers.</param>
    /// <exception cref="NlftException">
    /// A column is missing or does not hold text; while rows are read, when a gold answer cannot be read.
    /// </exception>
    public IDataView EvaluateRows(
        IDataView predictions, string answerColumnName = ColumnNames.Answer, string generatedColumnName = ColumnNames.GeneratedAnswer,
        string outcomeColumnName = ColumnNames.IsCorrect, AnswerComparison comparison = AnswerComparison.Number)
    {
        ArgumentNullException.ThrowIfNull(predictions);
        ArgumentException.ThrowIfNullOrEmpty(outcomeColumnName);
        bool IsCorrect(TextRow row) => ExactMatchEvaluator.Compare(row.Texts[1], row.Texts[0], comparison, row.Name).Outcome == AnswerOutcome.Correct;
        return new AppendedColumnView<bool>(predictions, new AppendedColumn<bool>(
            outcomeColumnName, BooleanDataViewType.Instance, [answerColumnName, generatedColumnName], BatchSize: 1,
            rows => [.. rows.Select(IsCorrect)]));
    }
}
