namespace Microsoft.ML.Nlft.Data;

/// <summary>The names of a row's columns in CSV and TSV, and of its keys in JSON Lines. Reading ignores case.</summary>
public sealed record DataColumns
{
    /// <summary>What the model is asked. Default "Question".</summary>
    public string Question { get; init; } = "Question";

    /// <summary>The model's earlier response. Default "Response".</summary>
    public string Response { get; init; } = "Response";

    /// <summary>Why the response is wrong. Default "Judgment".</summary>
    public string Judgment { get; init; } = "Judgment";

    /// <summary>The gold answer. Default "Answer".</summary>
    public string Answer { get; init; } = "Answer";

    /// <summary>The instruction for the system prompt. Default "Instruction".</summary>
    public string Instruction { get; init; } = "Instruction";

    /// <exception cref="NlftException">A name is blank or used twice.</exception>
    internal void Validate()
    {
        string[] names = [Question, Response, Judgment, Answer, Instruction];
        if (names.FirstOrDefault(string.IsNullOrWhiteSpace) is { } blank)
        {
            throw new NlftException($"option {nameof(DataColumns)}", $"the name \"{blank}\"", "a name that is not blank",
                "Name the column as the file does.");
        }
        if (names.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new NlftException($"option {nameof(DataColumns)}", $"the name \"{twice.Key}\" twice", "five names that differ in more than case",
                "Give each column its own name.");
        }
    }
}
