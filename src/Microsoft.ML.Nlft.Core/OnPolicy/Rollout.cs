using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>A response as it was drawn.</summary>
/// <param name="Row">The index of its question.</param>
/// <param name="Sequence">Prompt and response; the token that ended it is its last.</param>
/// <param name="Score">What the reward said.</param>
internal sealed record Drawn(int Row, TokenSequence Sequence, double Score);

/// <summary>A response of n tokens with what the loss reads: everything of it is constant while the batch is learned.</summary>
internal sealed record Rollout
{
    public required int Row { get; init; }

    public required TokenSequence Sequence { get; init; }

    public required double Score { get; init; }

    /// <summary>log pi_old, n values.</summary>
    public required double[] Old { get; init; }

    /// <summary>log pi_ref, n values.</summary>
    public required double[] Reference { get; init; }

    /// <summary>The values at the draw.</summary>
    public required double[] Values { get; init; }

    /// <summary>The returns: advantages, before they are whitened, plus values.</summary>
    public required double[] Returns { get; init; }

    /// <summary>The advantages, whitened over the batch.</summary>
    public required double[] Advantages { get; init; }

    /// <summary>Computes what a batch of responses earned.</summary>
    /// <param name="drawn">The responses.</param>
    /// <param name="scores">Their scores with the weights that drew them, hidden states included.</param>
    /// <param name="reference">Their scores with the weights after the warm-up.</param>
    /// <param name="head">The value head.</param>
    /// <param name="options">beta, gamma and lambda.</param>
    public static Rollout[] Of(Drawn[] drawn, TokenScores[] scores, TokenScores[] reference, ValueHead head, ReinforcedOptions options)
    {
        var rollouts = new Rollout[drawn.Length];
        for (var i = 0; i < drawn.Length; i++)
        {
            double[] old = Doubles(scores[i]), own = Doubles(reference[i]), values = head.Values(scores[i].HiddenStates.Span);
            var rewards = AdvantageEstimation.Rewards(old, own, drawn[i].Score, options.KlCoefficient);
            var advantages = AdvantageEstimation.Gae(rewards, values, options.Gamma, options.Lambda);
            rollouts[i] = new Rollout
            {
                Row = drawn[i].Row,
                Sequence = drawn[i].Sequence,
                Score = drawn[i].Score,
                Old = old,
                Reference = own,
                Values = values,
                Returns = [.. advantages.Zip(values, (advantage, value) => advantage + value)],
                Advantages = advantages,
            };
        }
        var whitened = AdvantageEstimation.Whiten([.. rollouts.Select(rollout => rollout.Advantages)]);
        return [.. rollouts.Zip(whitened, (rollout, advantages) => rollout with { Advantages = advantages })];
    }

    private static double[] Doubles(TokenScores scores) => Array.ConvertAll(scores.LogProbabilities, value => (double)value);
}
