using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

/// <summary>Names the columns of a view that hold the texts of a row; null: the view has no such column.</summary>
internal sealed record TrainingColumns(string Question, string? Response, string? Judgment, string? Answer, string? Instruction)
{
    private (string Part, string? Name)[] Parts =>
        [("question", Question), ("response", Response), ("judgment", Judgment), ("answer", Answer), ("instruction", Instruction)];

    /// <summary>Returns the names of the columns in use.</summary>
    /// <exception cref="NlftException">A name is blank or used twice.</exception>
    public List<string> Names()
    {
        var used = Parts.Where(p => p.Name is not null).ToList();
        foreach (var (part, name) in used)
        {
            if (string.IsNullOrWhiteSpace(name))
                throw new NlftException($"name of the {part} column", "an empty name", "the name of a text column", $"Set {part}ColumnName.");
            if (used.Find(p => p.Name == name) is var first && first.Part != part)
            {
                throw new NlftException($"name of the {part} column", $"\"{name}\", which is the {first.Part} column already", "a column of its own",
                    $"Set {part}ColumnName.");
            }
        }
        return [.. used.Select(p => p.Name!)];
    }

    /// <summary>Reads every row to train on.</summary>
    public IReadOnlyList<TrainingExample> Read(IDataView view, CancellationToken cancellationToken) =>
        Read(view, "training rows", cancellationToken);

    /// <summary>Reads every row; without an answer column, <see cref="DataRow.ToExample"/> needs no answers.</summary>
    /// <param name="view">The view.</param>
    /// <param name="what">What the rows are, for messages: "training rows" or "validation rows".</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    public IReadOnlyList<TrainingExample> Read(IDataView view, string what, CancellationToken cancellationToken)
    {
        var rows = RowViews.Read(view, this, cancellationToken);
        return rows.Count > 0 ? [.. rows.Select(row => row.ToExample(needsAnswer: Answer is not null))]
            : throw new NlftException(what, "none", "at least one row", "Check the file or the filters that come before the trainer.");
    }
}
