using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>
/// Computes several tokens of an answer in one pass where the answer repeats what stands in the prompt or in itself: a <see cref="PromptLookup"/>
/// guesses them, and those that the answer then takes have their logits already. Logits, and so answers, are the same as without, to the bit.
/// </summary>
/// <param name="session">The session, of one sequence.</param>
/// <param name="row">The answer, whose <see cref="DecodingRow.PromptLookupTokens"/> are 1 or more.</param>
internal sealed class PromptLookupSession(IDraftingSession session, DecodingRow row) : IDecodingSession
{
    private readonly PromptLookup _lookup = new(row.Prompt);
    private int[] _guess = [];
    private int _taken; // tokens of the guess that the answer took
    private int _length = Math.Min(2, row.PromptLookupTokens); // of the next guess: twice that of a right one, as much as was right of a wrong one

    public int Count => session.Count;

    public ReadOnlySpan<float> Logits(int sequence) => _taken == 0 ? session.Logits(sequence) : session.DraftLogits(_taken);

    public int CachedTokens(int sequence) => session.CachedTokens(sequence);

    public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default)
    {
        var token = tokens[0];
        if (token < 0)
        {
            session.Append(tokens, cancellationToken);
            return;
        }
        _lookup.Add(token);
        if (_taken < _guess.Length && _guess[_taken] == token)
        {
            _taken++;
            row.GuessedTokens++;
            return;
        }
        session.Forget(_guess.Length - _taken);
        if (_guess.Length > 0) _length = Math.Clamp(_taken == _guess.Length ? 2 * _taken : _taken, 1, row.PromptLookupTokens);
        var left = row.Prompt.Length + row.Limit - _lookup.Count - 1; // before the last token, which has no pass
        _guess = _lookup.Guess(Math.Min(Math.Min(_length, session.MaximumDraft), left));
        _taken = 0;
        session.Append(token, _guess, cancellationToken);
    }

    public void Dispose() => session.Dispose();
}
