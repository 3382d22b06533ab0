using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// The K likeliest tokens at each of n positions, the likeliest first. Of equally likely tokens the managed engine takes the lower ids; an engine on
/// a GPU may take others.
/// </summary>
/// <param name="Count">K, tokens at each position.</param>
/// <param name="Ids">n x K token ids, position by position.</param>
/// <param name="LogProbabilities">Their n x K natural log-probabilities.</param>
public sealed record LikeliestTokens(int Count, int[] Ids, float[] LogProbabilities)
{
    private const int Block = 64;

    /// <summary>Creates empty lists, into which <see cref="Offer"/> sorts logits.</summary>
    internal static LikeliestTokens Empty(int positions, int count)
    {
        var logits = new float[positions * count];
        Array.Fill(logits, float.NegativeInfinity);
        return new LikeliestTokens(count, new int[logits.Length], logits);
    }

    /// <summary>Sorts the logits of the tokens from <paramref name="first"/> on into the list of a position; those of lower ids come first.</summary>
    internal void Offer(int position, ReadOnlySpan<float> logits, int first)
    {
        var ids = Ids.AsSpan(position * Count, Count);
        var found = LogProbabilities.AsSpan(position * Count, Count);
        for (var start = 0; start < logits.Length; start += Block)
        {
            var block = logits.Slice(start, Math.Min(Block, logits.Length - start));
            if (!(VectorMath.Max(block) > found[^1])) continue;
            for (var i = 0; i < block.Length; i++)
            {
                if (!(block[i] > found[^1])) continue;
                var place = Count - 1;
                for (; place > 0 && block[i] > found[place - 1]; place--) (ids[place], found[place]) = (ids[place - 1], found[place - 1]);
                (ids[place], found[place]) = (first + start + i, block[i]);
            }
        }
    }

    /// <summary>Turns the logits of a position into log-probabilities.</summary>
    internal void Normalize(int position, double logSum)
    {
        foreach (ref var value in LogProbabilities.AsSpan(position * Count, Count)) value = (float)Math.Min(0, value - logSum);
    }

    /// <summary>Returns the likeliest tokens other than one of every position.</summary>
    /// <param name="tokens">That token of each of the n positions.</param>
    /// <param name="most">Most tokens to return of a position; no more than K - 1, since one may be left out.</param>
    internal LikeliestTokens Besides(ReadOnlySpan<int> tokens, int most)
    {
        var count = Math.Min(most, Count - 1);
        var (ids, logProbabilities, to) = (new int[tokens.Length * count], new float[tokens.Length * count], 0);
        for (var t = 0; t < tokens.Length; t++)
        {
            var end = to + count;
            for (var from = t * Count; to < end && from < (t + 1) * Count; from++)
                if (Ids[from] != tokens[t]) (ids[to], logProbabilities[to++]) = (Ids[from], LogProbabilities[from]);
            to = end; // a list with the token twice, which no engine gives, leaves places free
        }
        return new LikeliestTokens(count, ids, logProbabilities);
    }

    /// <summary>Returns the first <paramref name="count"/> tokens of some positions.</summary>
    internal LikeliestTokens Rows(int first, int rows, int count)
    {
        var (ids, logProbabilities) = (new int[rows * count], new float[rows * count]);
        for (var row = 0; row < rows; row++)
        {
            Ids.AsSpan((first + row) * Count, count).CopyTo(ids.AsSpan(row * count));
            LogProbabilities.AsSpan((first + row) * Count, count).CopyTo(logProbabilities.AsSpan(row * count));
        }
        return new LikeliestTokens(count, ids, logProbabilities);
    }
}
