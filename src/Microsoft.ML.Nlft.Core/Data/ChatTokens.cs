namespace Microsoft.ML.Nlft.Data;

/// <summary>A chat row as token ids.</summary>
/// <param name="Ids">The n token ids of the whole row.</param>
/// <param name="Counted">For each token whether it counts in the loss, n values.</param>
internal sealed record ChatTokens(int[] Ids, bool[] Counted)
{
    /// <summary>Cuts the row to a length, after the loss was decided for its tokens.</summary>
    /// <param name="length">The most tokens.</param>
    /// <param name="keepEnd">Whether the end is kept instead of the start.</param>
    public ChatTokens Cut(int length, bool keepEnd) => Ids.Length <= length ? this
        : keepEnd ? new(Ids[^length..], Counted[^length..]) : new(Ids[..length], Counted[..length]);
}

/// <summary>Which tokens of a chat row count in the loss.</summary>
internal sealed record ChatLoss
{
    /// <summary>Whether the tokens of a prompt do not count. Default true.</summary>
    public bool CompletionOnly { get; init; } = true;

    /// <summary>Whether tokens outside of the assistant's turns do not count. Default false.</summary>
    public bool AssistantOnly { get; init; }
}
