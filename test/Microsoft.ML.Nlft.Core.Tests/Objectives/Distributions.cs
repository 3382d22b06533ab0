using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>The logits of one response in its three contexts, over a small vocabulary, and the scores that an engine would give for them.</summary>
internal sealed class Distributions(int seed, int n = 5, int vocabulary = 12)
{
    /// <summary>The tokens of the response.</summary>
    public int[] Response { get; } = [.. Enumerable.Range(0, n).Select(t => (7 * t + seed) % vocabulary)];

    public double[][] Base { get; } = Create(seed, n, vocabulary);

    public double[][] Judge { get; } = Create(seed + 1000, n, vocabulary);

    public double[][] Standard { get; } = Create(seed + 2000, n, vocabulary);

    /// <summary>The scores that an objective asks for.</summary>
    public ExampleScores Scores(ITokenObjective objective, Polarity polarity)
    {
        var (context, count) = objective.Candidates(polarity);
        count = Math.Min(count, vocabulary - 1);
        var source = Of(context);
        int[] ids = [.. Enumerable.Range(0, count == 0 ? 0 : n).SelectMany(t =>
            Enumerable.Range(0, vocabulary).Where(k => k != Response[t]).OrderByDescending(k => source[t][k]).Take(count))];
        return new ExampleScores
        {
            Polarity = polarity,
            Base = Own(Base),
            Judge = polarity == Polarity.Incorrect ? Own(Judge) : [],
            Standard = Own(Standard),
            Candidates = count == 0 ? null : new CandidateScores
            {
                Count = count, Ids = ids, Source = Others(source), Base = Others(Base),
            },
        };

        double[] Own(double[][] logits) => [.. logits.Select((row, t) => ObjectiveGoldens.LogSoftmax(row)[Response[t]])];

        double[] Others(double[][] logits) => [.. ids.Select((id, i) => ObjectiveGoldens.LogSoftmax(logits[i / count])[id])];
    }

    private double[][] Of(PromptContexts context) => context switch
    {
        PromptContexts.Judge => Judge,
        PromptContexts.Standard => Standard,
        _ => Base,
    };

    /// <summary>
    /// Compares the gradient that the coefficients of the base context give with finite differences of a loss with respect to every logit.
    /// </summary>
    /// <param name="result">The result whose coefficients are checked.</param>
    /// <param name="candidates">The ids of the candidates, n x K; empty without.</param>
    /// <param name="loss">The loss for the logits as they are.</param>
    public void CheckGradient(TokenObjectiveResult result, int[] candidates, Func<double> loss)
    {
        var count = result.CandidateCoefficients.Length / n;
        for (var t = 0; t < n; t++)
        {
            var own = result.CandidateCoefficients.AsSpan(t * count, count).ToArray();
            var (sum, logP) = (result.Coefficients[t] + own.Sum(), ObjectiveGoldens.LogSoftmax(Base[t]));
            for (var k = 0; k < vocabulary; k++)
            {
                var expected = Slope(t, k);
                var found = sum * Math.Exp(logP[k]) - (k == Response[t] ? result.Coefficients[t] : 0)
                    - own.Where((_, i) => candidates[t * count + i] == k).Sum();
                Assert.AreEqual(expected, found, 1e-7 * Math.Max(1, Math.Abs(expected)), $"position {t}, logit {k}");
            }
        }

        double Slope(int t, int k)
        {
            const double step = 1e-5;
            var logit = Base[t][k];
            Base[t][k] = logit + step;
            var above = loss();
            Base[t][k] = logit - step;
            var below = loss();
            Base[t][k] = logit;
            return (above - below) / (2 * step);
        }
    }

    private static double[][] Create(int seed, int n, int vocabulary)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, n).Select(_ => Enumerable.Range(0, vocabulary).Select(_ => 4 * random.NextDouble()).ToArray())];
    }
}
