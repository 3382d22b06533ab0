namespace Microsoft.ML.Nlft.Data;

/// <summary>Whether the response of a row is right or wrong.</summary>
public enum Polarity
{
    /// <summary>The response is wrong: a judgment says why.</summary>
    Incorrect,

    /// <summary>The response is right: there is no judgment.</summary>
    Correct,
}

/// <summary>The contexts in which a response can be scored (docs/method.md, section 1).</summary>
[Flags]
public enum PromptContexts
{
    /// <summary>No context.</summary>
    None = 0,

    /// <summary>The question alone.</summary>
    Base = 1,

    /// <summary>The question and the judgment (incorrect responses only).</summary>
    Judge = 2,

    /// <summary>The question and the gold answer.</summary>
    Standard = 4,
}

/// <summary>A row to train on: a question, the response the model wrote earlier, why it is wrong (when it is), and the gold answer.</summary>
public sealed record TrainingExample
{
    /// <summary>What the model is asked; not empty.</summary>
    public required string Question { get; init; }

    /// <summary>The model's own earlier response, a chain of thought; not empty.</summary>
    public required string Response { get; init; }

    /// <summary>Why the response is wrong, in plain words; null, empty or blank when it is right.</summary>
    public string? Judgment { get; init; }

    /// <summary>The gold answer; not empty. For a row without one, see <see cref="DataRow.ToExample"/>.</summary>
    public required string Answer { get; init; }

    /// <summary>An instruction for the system prompt, or null.</summary>
    public string? Instruction { get; init; }

    /// <summary>
    /// The conversation or the text to train on in place of question and response, with supervised fine-tuning alone. Default null.
    /// </summary>
    public ChatRow? Chat { get; init; }

    /// <summary>Where the row came from, for messages: for example <c>rows.jsonl, line 3</c>.</summary>
    public string Source { get; init; } = "row";

    /// <summary>Incorrect when there is a judgment, else Correct.</summary>
    public Polarity Polarity => PolarityOf(Judgment);

    /// <summary>A judgment says why a response is wrong: without one, the response is right.</summary>
    internal static Polarity PolarityOf(string? judgment) => string.IsNullOrWhiteSpace(judgment) ? Polarity.Correct : Polarity.Incorrect;
}
