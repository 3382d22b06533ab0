namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// A decoding session that computes in one pass the logits after a token and after others that are only guessed to follow it. The logits are those of
/// tokens that are appended one by one, to the bit.
/// </summary>
internal interface IDraftingSession : IDecodingSession
{
    /// <summary>The most tokens that a draft may have now; 0 if there can be none, as with several sequences.</summary>
    int MaximumDraft { get; }

    /// <summary>Appends a token and a draft of those after it to the only sequence.</summary>
    void Append(int token, ReadOnlySpan<int> draft, CancellationToken cancellationToken = default);

    /// <summary>Returns the logits after the last appended token and the first <paramref name="tokens"/> tokens of its draft.</summary>
    ReadOnlySpan<float> DraftLogits(int tokens);

    /// <summary>Forgets the last <paramref name="tokens"/> tokens of the draft; to be called before the next token is appended.</summary>
    void Forget(int tokens);
}
