namespace Microsoft.ML.Nlft.Data;

/// <summary>The property names of a row in JSON Lines. Reading ignores upper and lower case.</summary>
public sealed record JsonLinesNames
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

    /// <summary>Throws when a name is blank or used twice.</summary>
    internal void Validate()
    {
        string[] names = [Question, Response, Judgment, Answer, Instruction];
        if (names.FirstOrDefault(string.IsNullOrWhiteSpace) is { } blank)
            throw new NlftException($"option {nameof(JsonLinesNames)}", $"the property name \"{blank}\"", "a name that is not blank",
                "Name the property as the file does.");
        if (names.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new NlftException($"option {nameof(JsonLinesNames)}", $"the property name \"{twice.Key}\" used twice",
                "five names that differ in more than case", "Give each property its own name.");
    }
}
