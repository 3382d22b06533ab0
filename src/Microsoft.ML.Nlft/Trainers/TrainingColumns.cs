using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

/// <summary>Names the columns of a view that hold the texts of a row; null: the view has no such column.</summary>
internal sealed record TrainingColumns(string Question, string? Response, string? Judgment, string? Answer, string? Instruction)
{
    private (string Part, string? Name)[] Parts =>
        [("question", Question), ("response", Response), ("judgment", Judgment), ("answer", Answer), ("instruction", Instruction)];

    /// <summary>Checks the columns of a pipeline and returns the text column that an output column is like.</summary>
    /// <exception cref="NlftException">A column is missing or does not hold text.</exception>
    public string Check(SchemaShape shape)
    {
        if (OrAnyLayout && Names().Any(name => !shape.Any(column => column.Name == name)) && TextColumns.First(shape) is { } text) return text;
        foreach (var name in Names()) TextColumns.Check(shape, name);
        return Question;
    }

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

    /// <summary>
    /// Whether a view that lacks these columns may have those of another layout of rows to train on (<see cref="TrainingFile"/>). Default false.
    /// </summary>
    public bool OrAnyLayout { get; init; }

    /// <summary>Reads every row; without an answer column, <see cref="DataRow.ToExample"/> needs no answers.</summary>
    /// <param name="view">The view.</param>
    /// <param name="what">What the rows are, for messages: "training rows" or "validation rows".</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    /// <param name="layout">What the rows are, when the view has another layout; else null.</param>
    public IReadOnlyList<TrainingExample> Read(IDataView view, string what, CancellationToken cancellationToken, out string? layout)
    {
        layout = null;
        if (OrAnyLayout && !RowViews.HasText(view, Response!, cancellationToken)
            && RowViews.Objects(view, cancellationToken) is { Count: > 0 } objects)
        {
            var read = TrainingFile.Of(objects, what, supervised: true);
            layout = read.Layout;
            return read.Examples();
        }
        var rows = RowViews.Read(view, this, cancellationToken);
        return rows.Count > 0 ? [.. rows.Select(row => (row with { Response = row.Response ?? "" }).ToExample(needsAnswer: Answer is not null))]
            : throw new NlftException(what, "none", "at least one row", "Check the file or the filters that come before the trainer.");
    }
}
