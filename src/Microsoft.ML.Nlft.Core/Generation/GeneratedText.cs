namespace Microsoft.ML.Nlft.Generation;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>The model produced a stop token or a stop string.</summary>
    Stop,

    /// <summary>The answer reached the limit of new tokens or the model's last position.</summary>
    Length,
}

/// <summary>A generated answer.</summary>
/// <param name="Text">The text without special tokens; it ends before a stop string.</param>
/// <param name="Tokens">All generated token ids, including those of the stop token or stop string.</param>
/// <param name="PromptTokens">Number of prompt tokens.</param>
/// <param name="FinishReason">Why the answer ended.</param>
public sealed record GeneratedText(string Text, IReadOnlyList<int> Tokens, int PromptTokens, FinishReason FinishReason)
{
    /// <summary>Gets how many of the prompt's tokens the model had kept of an earlier prompt, and so did not compute. Default 0.</summary>
    public int CachedPromptTokens { get; init; }

    /// <summary>
    /// Gets how many tokens of the answer were guessed right, so that they had no pass of their own; see
    /// <see cref="GenerationOptions.PromptLookupTokens"/>. Default 0.
    /// </summary>
    public int GuessedTokens { get; init; }

    /// <summary>
    /// Gets ln p, in nats, of each token of <see cref="Tokens"/> given the prompt and the tokens before it, under the model's own distribution:
    /// before penalties, temperature and filters. Null unless <see cref="GenerationOptions.LogProbabilities"/> is set.
    /// </summary>
    public IReadOnlyList<double>? LogProbabilities { get; init; }

    /// <summary>
    /// Gets, for each token of <see cref="Tokens"/>, the likeliest tokens at its position under the same distribution as
    /// <see cref="LogProbabilities"/>: the likeliest first, the lowest id first among equals. Null unless
    /// <see cref="GenerationOptions.TopLogProbabilities"/> is above 0.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<TokenLogProbability>>? TopLogProbabilities { get; init; }
}

/// <summary>A candidate token at a position of an answer.</summary>
/// <param name="Token">The token's id.</param>
/// <param name="LogProbability">ln p, in nats.</param>
public readonly record struct TokenLogProbability(int Token, double LogProbability);
