namespace Microsoft.ML.Nlft.Engines;

/// <summary>A prompt followed by a response, as token ids. The response tokens are the ones an engine scores.</summary>
public sealed record TokenSequence
{
    /// <summary>Creates a sequence.</summary>
    /// <param name="tokens">All token ids: the prompt, then the response.</param>
    /// <param name="promptLength">
    /// Number of prompt tokens: 1 or more, because the first response token needs a predecessor, and less than the number of all tokens.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The prompt or the response would be empty.</exception>
    public TokenSequence(ReadOnlyMemory<int> tokens, int promptLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(promptLength, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(promptLength, tokens.Length);
        (Tokens, PromptLength) = (tokens, promptLength);
    }

    /// <summary>All token ids: the prompt, then the response.</summary>
    public ReadOnlyMemory<int> Tokens { get; }

    /// <summary>Number of prompt tokens.</summary>
    public int PromptLength { get; }

    /// <summary>Number of response tokens, n in docs/method.md, section 1.</summary>
    public int ResponseLength => Tokens.Length - PromptLength;

    /// <summary>
    /// Seeds this sequence's LoRA dropout in <see cref="ICausalLanguageModel.Forward"/>. The seed is the sequence's, not the batch's, so that masks
    /// do not depend on how rows are split into batches.
    /// </summary>
    public ulong DropoutSeed { get; init; }

    /// <summary>
    /// Further tokens to score beside y_t: n x K ids, those of every response position in turn; an id may appear more than once. Default: none.
    /// </summary>
    /// <exception cref="ArgumentException">The number of ids is not a multiple of n.</exception>
    public ReadOnlyMemory<int> Candidates
    {
        get;
        init => field = value.Length % ResponseLength == 0 ? value
            : throw new ArgumentException($"{value.Length} candidates for {ResponseLength} response tokens.", nameof(value));
    }

    /// <summary>Number of likeliest tokens to find at every response position, 0 or more; at most the vocabulary is found. Default 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public int Likeliest
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    }

    /// <summary>K, the candidates of every response position.</summary>
    public int CandidatesPerToken => Candidates.Length / ResponseLength;
}
