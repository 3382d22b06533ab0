namespace Microsoft.ML.Nlft.Data;

/// <summary>One row of a data file as it stands there, whatever its format; a property that is missing, null or blank is null.</summary>
/// <param name="Question">What the model is asked; never blank.</param>
/// <param name="Response">The model's earlier response.</param>
/// <param name="Judgment">Why the response is wrong.</param>
/// <param name="Answer">The gold answer.</param>
/// <param name="Instruction">The instruction for the system prompt.</param>
/// <param name="Source">Where the row stands, for messages: <c>rows.jsonl, line 3</c>.</param>
public sealed record JsonLinesRow(string Question, string? Response, string? Judgment, string? Answer, string? Instruction, string Source)
{
    /// <summary>The row's own name in its file (property "id", a text or a number), or null.</summary>
    public string? Id { get; init; }

    /// <summary>A score that somebody gave the response (property "score"), or null.</summary>
    public double? Score { get; init; }

    /// <summary>The row as one to train on.</summary>
    /// <exception cref="NlftException">It has no response or no answer.</exception>
    public TrainingExample ToExample() => new()
    {
        Question = Question,
        Response = Response ?? throw Missing(nameof(Response)),
        Judgment = Judgment,
        Answer = Answer ?? throw Missing(nameof(Answer)),
        Instruction = Instruction,
        Source = Source,
    };

    /// <summary>A row to train on as a row of a data file.</summary>
    public static JsonLinesRow Of(TrainingExample example)
    {
        ArgumentNullException.ThrowIfNull(example);
        return new(example.Question, example.Response, string.IsNullOrWhiteSpace(example.Judgment) ? null : example.Judgment, example.Answer, example.Instruction, example.Source);
    }

    internal NlftException Missing(string property) => new($"{Source}, {property}", "nothing", "a text", "Fill it in or leave the row out.");
}
