namespace Microsoft.ML.Nlft.Data;

/// <summary>A row of data from any file or view: a question and what is known about it. Missing values are null.</summary>
/// <remarks>
/// Data starts as rows with a question and a gold answer; generating adds the response, judging adds the judgment, and <see cref="ToExample"/>
/// creates a row to train on.
/// </remarks>
public sealed record DataRow
{
    /// <summary>What the model is asked; not blank.</summary>
    public required string Question { get; init; }

    /// <summary>The model's earlier response.</summary>
    public string? Response { get; init; }

    /// <summary>Why the response is wrong; null, empty or blank when it is right.</summary>
    public string? Judgment { get; init; }

    /// <summary>The gold answer.</summary>
    public string? Answer { get; init; }

    /// <summary>The instruction for the system prompt.</summary>
    public string? Instruction { get; init; }

    /// <summary>The row's own id in its file: a text, or a number as written there.</summary>
    public string? Id { get; init; }

    /// <summary>The score that the file gives the response, in any range.</summary>
    public double? Score { get; init; }

    /// <summary>
    /// The conversation or the text that the row is, when it is more than a question and a response; Question and Response then show its last texts
    /// alone. Default null.
    /// </summary>
    public ChatRow? Chat { get; init; }

    /// <summary>Where the row came from, for messages: for example <c>rows.jsonl, line 3</c>.</summary>
    public string Source { get; init; } = "row";

    /// <summary>Incorrect when there is a judgment, else Correct.</summary>
    public Polarity Polarity => TrainingExample.PolarityOf(Judgment);

    /// <summary>Creates a row to train on.</summary>
    /// <param name="needsAnswer">
    /// Whether the objective reads the gold answer. If so, a row without one is refused: no other text can take its place. If not, as in supervised
    /// fine-tuning, the response, which is the target there, stands in for a missing answer. Default true.
    /// </param>
    /// <exception cref="NlftException">
    /// The response is missing, or the answer is missing or blank and is needed; or it is needed and the row is a conversation, which has none. A
    /// blank response is left to the run, which counts such rows (<see cref="DataReport.EmptyResponses"/>).
    /// </exception>
    public TrainingExample ToExample(bool needsAnswer = true)
    {
        if (Chat is not null)
        {
            return !needsAnswer
                ? new() { Question = Question, Response = Response ?? "", Answer = Response ?? "", Chat = Chat, Source = Source }
                : throw new NlftException(Source, "a chat row",
                    "a question with a response and a gold answer, which natural language fine-tuning reads",
                    "Train with supervised fine-tuning (nlft: --method sft), or generate and judge responses first.");
        }
        var response = Response ?? Require(nameof(Response));
        return new()
        {
            Question = Question,
            Response = response,
            Judgment = Judgment,
            Answer = needsAnswer || !string.IsNullOrWhiteSpace(Answer) ? Require(nameof(Answer)) : response,
            Instruction = Instruction,
            Source = Source,
        };
    }

    /// <summary>Creates a row of data from a row to train on.</summary>
    /// <param name="example">The row to train on.</param>
    public static DataRow Of(TrainingExample example)
    {
        ArgumentNullException.ThrowIfNull(example);
        return new()
        {
            Question = example.Question,
            Response = example.Response,
            Judgment = example.Polarity == Polarity.Correct ? null : example.Judgment,
            Answer = example.Answer,
            Instruction = example.Instruction,
            Source = example.Source,
        };
    }

    /// <summary>Returns a text of the row by the property's name.</summary>
    /// <exception cref="NlftException">It is missing or blank.</exception>
    internal string Require(string property)
    {
        var text = Text(property);
        return !string.IsNullOrWhiteSpace(text) ? text
            : throw new NlftException($"{Source}, {property}", text is null ? "nothing" : "an empty text", "a text",
                "Fill it in or leave the row out.");
    }

    internal string? Text(string property) => property switch
    {
        nameof(Response) => Response,
        nameof(Judgment) => Judgment,
        nameof(Answer) => Answer,
        nameof(Instruction) => Instruction,
        _ => Question,
    };
}
