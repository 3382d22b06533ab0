namespace Microsoft.ML.Nlft.Generation;

/// <summary>
/// Guesses how a sequence goes on: as it did where its last three tokens, or else its last two, occurred last before (prompt lookup decoding, Saxena
/// 2023; prompt_lookup_num_tokens of transformers). Adding a token takes constant time.
/// </summary>
internal sealed class PromptLookup
{
    private readonly List<int> _tokens = [];
    private readonly Dictionary<(int, int, int), int> _afterThree = []; // the index of the token after their last occurrence that has one
    private readonly Dictionary<(int, int), int> _afterTwo = [];

    /// <summary>Starts with the tokens of a prompt.</summary>
    public PromptLookup(ReadOnlySpan<int> prompt)
    {
        foreach (var token in prompt) Add(token);
    }

    /// <summary>Gets the number of tokens.</summary>
    public int Count => _tokens.Count;

    /// <summary>Adds the next token of the sequence.</summary>
    public void Add(int token)
    {
        var n = _tokens.Count;
        if (n >= 2) _afterTwo[(_tokens[n - 2], _tokens[n - 1])] = n;
        if (n >= 3) _afterThree[(_tokens[n - 3], _tokens[n - 2], _tokens[n - 1])] = n;
        _tokens.Add(token);
    }

    /// <summary>Returns <paramref name="count"/> tokens that may follow; none where the last ones did not occur before.</summary>
    public int[] Guess(int count)
    {
        var n = _tokens.Count;
        if (count <= 0 || n < 2) return [];
        if (n < 3 || !_afterThree.TryGetValue((_tokens[n - 3], _tokens[n - 2], _tokens[n - 1]), out var next))
        {
            if (!_afterTwo.TryGetValue((_tokens[n - 2], _tokens[n - 1]), out next)) return [];
        }
        var guess = new int[count];
        for (var i = 0; i < count; i++, next++) guess[i] = next < n ? _tokens[next] : guess[next - n]; // a repetition goes on
        return guess;
    }
}
