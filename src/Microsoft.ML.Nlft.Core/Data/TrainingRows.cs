namespace Microsoft.ML.Nlft.Data;

/// <summary>Rows to train on, as <see cref="TrainingFile"/> reads them.</summary>
public sealed record TrainingRows
{
    /// <summary>What the rows are, in words: for example <c>chat rows: messages</c>.</summary>
    public required string Layout { get; init; }

    /// <summary>
    /// Whether the rows are for supervised fine-tuning: they show what the model should write, without an earlier response that is judged. Else every
    /// row has a response and a gold answer.
    /// </summary>
    public required bool IsSupervised { get; init; }

    /// <summary>The rows in order, at least one.</summary>
    public required IReadOnlyList<DataRow> Rows { get; init; }

    /// <summary>Creates the rows to train on.</summary>
    /// <exception cref="NlftException">A row lacks a text.</exception>
    public IReadOnlyList<TrainingExample> Examples() => [.. Rows.Select(row => row.ToExample(needsAnswer: !IsSupervised))];
}
