namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Options for the wording of the three contexts and the length limit (docs/method.md, section 1). In the texts, <c>{instruction}</c>,
/// <c>{question}</c>, <c>{judgment}</c> and <c>{answer}</c> stand for the row's texts; a blank system text is left out.
/// </summary>
public sealed record PromptOptions
{
    /// <summary>System text of the base context, in which the model later answers. Default: the row's instruction.</summary>
    public string BaseSystem { get; init; } = "{instruction}";

    /// <summary>User text of the base context. Default: the question.</summary>
    public string BaseUser { get; init; } = "{question}";

    /// <summary>System text of the judge context: asks for a response with the weaknesses that the judgment names.</summary>
    public string JudgeSystem { get; init; } = "Write a bad response that has exactly the weaknesses named in the judgment.\n{instruction}";

    /// <summary>User text of the judge context: the question and the judgment.</summary>
    public string JudgeUser { get; init; } = "{question}\n\nJudgment: {judgment}";

    /// <summary>System text of the standard context: asks an expert to look at the standard answer first.</summary>
    public string StandardSystem { get; init; } = "You are an expert. Look at the standard answer, then give your own.\n{instruction}";

    /// <summary>User text of the standard context: the question and the gold answer.</summary>
    public string StandardUser { get; init; } = "{question}\n\nStandard answer: {answer}";

    /// <summary>
    /// Further variables of the folder's chat template, by name, for example <c>enable_thinking</c> = false: null, true, false, numbers, texts, lists
    /// and dictionaries. They apply to training, generation and chat; a template that does not read them ignores them. Default none.
    /// </summary>
    public IReadOnlyDictionary<string, object?> TemplateVariables { get; init; } = new Dictionary<string, object?>();

    /// <summary>The whole prompt of a model folder without a chat template, with <c>{user}</c>; ends where the response begins.</summary>
    public string PlainPrompt { get; init; } = "### Question:\n{user}\n\n### Response:\n";

    /// <summary>The same when there is a system text, with <c>{system}</c> and <c>{user}</c>.</summary>
    public string PlainPromptWithSystem { get; init; } = "{system}\n\n### Question:\n{user}\n\n### Response:\n";

    /// <summary>Most tokens of prompt and response together, 2 or more. A longer prompt loses its beginning. Default 8192.</summary>
    public int MaximumTokens { get; init; } = 8192;
}
