namespace Microsoft.ML.Nlft.Data;

/// <summary>One row of a JSON Lines file as it stands there; a property that is missing, null or blank is null.</summary>
/// <param name="Question">What the model is asked; never blank.</param>
/// <param name="Response">The model's earlier response.</param>
/// <param name="Judgment">Why the response is wrong.</param>
/// <param name="Answer">The gold answer.</param>
/// <param name="Instruction">The instruction for the system prompt.</param>
/// <param name="Source">Where the row stands, for messages: <c>rows.jsonl, line 3</c>.</param>
public sealed record JsonLinesRow(string Question, string? Response, string? Judgment, string? Answer, string? Instruction, string Source);
