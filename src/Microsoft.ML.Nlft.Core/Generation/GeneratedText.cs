namespace Microsoft.ML.Nlft.Generation;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>A stop token or a stop string.</summary>
    Stop,

    /// <summary>The limit of new tokens, or the end of the model's positions.</summary>
    Length,
}

/// <summary>A generated answer.</summary>
/// <param name="Text">The text, without special tokens; it ends before a stop string.</param>
/// <param name="Tokens">All generated token ids, those of the stop token or stop string included when there was one.</param>
/// <param name="PromptTokens">Number of prompt tokens.</param>
/// <param name="FinishReason">Why it ended.</param>
public sealed record GeneratedText(string Text, IReadOnlyList<int> Tokens, int PromptTokens, FinishReason FinishReason)
{
    /// <summary>
    /// ln p of every token of <see cref="Tokens"/>, given the prompt and the tokens before it, in nats, under the model's own distribution:
    /// before penalties, temperature and filters. Null unless <see cref="GenerationOptions.LogProbabilities"/> asked for it.
    /// </summary>
    public IReadOnlyList<double>? LogProbabilities { get; init; }

    /// <summary>
    /// For every token of <see cref="Tokens"/> the likeliest tokens of its place, the likeliest first and the lowest id first among equals, under the
    /// same distribution as <see cref="LogProbabilities"/>. Null unless <see cref="GenerationOptions.TopLogProbabilities"/> asked for it.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<TokenLogProbability>>? TopLogProbabilities { get; init; }
}

/// <summary>A token that could stand at a place of an answer.</summary>
/// <param name="Token">Its id.</param>
/// <param name="LogProbability">ln p, in nats.</param>
public readonly record struct TokenLogProbability(int Token, double LogProbability);
