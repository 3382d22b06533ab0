using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>
/// Holds the likeliest tokens at each position of a response in one context, the response's own left out: what the model would have written
/// instead.
/// </summary>
/// <param name="PerPosition">K, the tokens at each position.</param>
/// <param name="Ids">n x K token ids, row-major, the likeliest first.</param>
/// <param name="Probabilities">Their n x K probabilities.</param>
internal sealed record LikelyTokens(int PerPosition, int[] Ids, float[] Probabilities)
{
    /// <summary>K where the vocabulary has as many.</summary>
    public const int MostPerPosition = 4;

    /// <summary>
    /// Rows of a map that has likely tokens, at most. They are read one token at a time, which takes a multiple of the time for scoring, and fill
    /// the file.
    /// </summary>
    public const int MostRows = 100;

    /// <summary>Writes every response over again into a decoding session, and reads the logits before each of its tokens.</summary>
    /// <returns>One entry per sequence, in order.</returns>
    public static LikelyTokens[] Of(ICausalLanguageModel model, IReadOnlyList<TokenSequence> sequences, CancellationToken cancellationToken)
    {
        var count = Math.Min(MostPerPosition, model.Configuration.VocabularySize - 1);
        var likely = sequences.Select(sequence => new LikelyTokens(count, new int[count * sequence.ResponseLength],
            new float[count * sequence.ResponseLength])).ToArray();
        var longest = sequences.Max(sequence => sequence.ResponseLength);
        using var session = model.StartDecoding([.. sequences.Select(sequence => sequence.Tokens[..sequence.PromptLength])], longest - 1,
            cancellationToken);
        var next = new int[sequences.Count];
        for (var t = 0; t < longest; t++)
        {
            for (var i = 0; i < next.Length; i++)
            {
                var written = sequences[i].Tokens.Span[sequences[i].PromptLength..];
                if (t < written.Length) likely[i].Read(t, session.Logits(i), written[t]);
                next[i] = t + 1 < written.Length ? written[t] : -1; // nothing is read after the last token
            }
            if (t + 1 < longest) session.Append(next, cancellationToken);
        }
        return likely;
    }

    /// <summary>Reads a position: an insertion into a sorted list of K for each of V logits.</summary>
    private void Read(int position, ReadOnlySpan<float> logits, int written)
    {
        var ids = Ids.AsSpan(position * PerPosition, PerPosition);
        var found = Probabilities.AsSpan(position * PerPosition, PerPosition);
        found.Fill(float.NegativeInfinity);
        for (var id = 0; id < logits.Length; id++)
        {
            if (id == written || !(logits[id] > found[^1])) continue;
            var place = PerPosition - 1;
            for (; place > 0 && logits[id] > found[place - 1]; place--) (ids[place], found[place]) = (ids[place - 1], found[place - 1]);
            (ids[place], found[place]) = (id, logits[id]);
        }
        var highest = Math.Max(found[0], logits[written]);
        var sum = 0.0;
        foreach (var logit in logits) sum += Math.Exp(logit - highest);
        for (var place = 0; place < PerPosition; place++) found[place] = (float)(Math.Exp(found[place] - highest) / sum);
    }
}
