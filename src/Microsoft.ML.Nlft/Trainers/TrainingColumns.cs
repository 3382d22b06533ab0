using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

/// <summary>Which column plays which part in training; null: the trainer does without.</summary>
internal sealed record TrainingColumns(string Question, string Response, string? Judgment, string? Answer, string? Instruction)
{
    private (string Part, string? Name)[] Parts =>
        [("question", Question), ("response", Response), ("judgment", Judgment), ("answer", Answer), ("instruction", Instruction)];

    /// <summary>Names of the columns in use; fails when one is blank or plays two parts.</summary>
    public List<string> Names()
    {
        var used = Parts.Where(p => p.Name is not null).ToList();
        foreach (var (part, name) in used)
        {
            if (string.IsNullOrWhiteSpace(name))
                throw new NlftException($"name of the {part} column", "an empty name", "the name of a text column", $"Set {part}ColumnName.");
            if (used.Find(p => p.Name == name) is var first && first.Part != part)
                throw new NlftException($"name of the {part} column", $"\"{name}\", which is the {first.Part} column already", "a column of its own",
                    $"Set {part}ColumnName.");
        }
        return [.. used.Select(p => p.Name!)];
    }

    /// <summary>Reads every row. The columns are checked before the first row is touched.</summary>
    public IReadOnlyList<TrainingExample> Read(IDataView rows, CancellationToken cancellationToken)
    {
        var names = Names();
        var columns = names.ToDictionary(name => name, name => TextColumns.Find(rows.Schema, name));
        using var cursor = rows.GetRowCursor(columns.Values);
        var reader = new TextRowReader(cursor, names.Select(name => columns[name].Index));
        var examples = new List<TrainingExample>();
        while (cursor.MoveNext())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var row = reader.Read();
            string? Text(string? name) => name is null ? null : row.Texts[names.IndexOf(name)];
            string? TextOrNull(string? name) => Text(name) is { } text && !string.IsNullOrWhiteSpace(text) ? text : null;
            examples.Add(new TrainingExample
            {
                Question = Text(Question)!,
                Response = Text(Response)!,
                Judgment = TextOrNull(Judgment),
                // Without an answer column the response is the target, and no objective reads the context that shows an answer.
                Answer = Text(Answer ?? Response)!,
                Instruction = TextOrNull(Instruction),
                Source = row.Name,
            });
        }
        if (examples.Count == 0)
            throw new NlftException("training rows", "none", "at least one row", "Check the file or the filters that come before the trainer.");
        return examples;
    }
}
