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
}
