using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Compares the coefficients with finite differences of the loss through a softmax; checks their signs and sizes on random input.</summary>
[TestClass]
public sealed class CoefficientTests
{
    private const int Vocabulary = 5, Target = 2;

    [TestMethod]
    [DataRow(Polarity.Incorrect)]
    [DataRow(Polarity.Correct)]
    public void Evaluate_Coefficients_AreTheDerivativeOfTheLossThroughASoftmax(Polarity polarity)
    {
        var objective = new NaturalLanguageObjective(new() { MaximumSalientShare = 0.9 });
        var random = new Random(7);
        var seen = new HashSet<TokenRole>();
        for (var round = 0; round < 200; round++)
        {
            const int n = 6;
            double[][] logits = [.. Enumerable.Range(0, n).Select(_ =>
                Enumerable.Range(0, Vocabulary).Select(_ => 4 * random.NextDouble() - 2).ToArray())];
            var scores = new ExampleScores
            {
                Polarity = polarity,
                Base = [.. logits.Select(LogSoftmax)],
                Judge = [.. Enumerable.Range(0, n).Select(_ => Math.Log(random.NextDouble()))],
                Standard = [.. Enumerable.Range(0, n).Select(_ => Math.Log(Math.Sqrt(Math.Sqrt(random.NextDouble()))))],
                HiddenStates = (float[])[.. Enumerable.Range(0, n * 3).Select(_ => (float)(random.NextDouble() - 0.4))],
            };
            var result = objective.Evaluate(scores);
            Assert.AreEqual(result.Loss, FrozenLoss(polarity, result.Tokens, scores.Base), 1e-12 * Math.Max(1, Math.Abs(result.Loss)));

            for (var t = 0; t < n; t++)
            {
                seen.Add(result.Tokens[t].Role);
                for (var v = 0; v < Vocabulary; v++)
                {
                    double At(double step)
                    {
                        double[] moved = [.. logits[t]];
                        moved[v] += step;
                        double[] logB = [.. scores.Base];
                        logB[t] = LogSoftmax(moved);
                        return FrozenLoss(polarity, result.Tokens, logB);
                    }

                    var numeric = (At(1e-5) - At(-1e-5)) / 2e-5;
                    var softmax = Math.Exp(logits[t][v] - Math.Log(logits[t].Sum(Math.Exp)));
                    Assert.AreEqual(numeric, result.Coefficients[t] * (softmax - (v == Target ? 1 : 0)), 1e-6, $"{result.Tokens[t].Role}, logit {v}");
                }
            }
        }
        Assert.HasCount(3, seen, "every kind of token must occur");
    }

    /// <summary>Computes the loss of docs/method.md, section 2, with roles and weights held constant (stop-gradient).</summary>
    private static double FrozenLoss(Polarity polarity, TokenSaliency[] tokens, double[] logB)
    {
        var sum = 0.0;
        for (var t = 0; t < tokens.Length; t++)
        {
            var b = Math.Exp(logB[t]);
            sum -= polarity == Polarity.Correct ? (tokens[t].Weight + 1) * Math.Log(b)
                : tokens[t].Weight * Math.Log(tokens[t].Role == TokenRole.Salient ? 1 - b : b);
        }
        return 10 * sum / tokens.Length;
    }

    private static double LogSoftmax(double[] logits) => logits[Target] - Math.Log(logits.Sum(Math.Exp));

    [TestMethod]
    public void Evaluate_RandomScores_GivesFiniteLossesAndBoundedCoefficients()
    {
        var random = new Random(11);
        for (var round = 0; round < 5000; round++)
        {
            var n = random.Next(1, 30);
            var polarity = random.Next(2) == 0 ? Polarity.Incorrect : Polarity.Correct;
            var options = new NaturalLanguageObjectiveOptions
            {
                ClusterRule = (ClusterRule)random.Next(3), JudgeLikelihood = random.Next(2) == 0, Scale = 1 + random.Next(10),
            };
            var scores = new ExampleScores
            {
                Polarity = polarity,
                Base = Draw(), Judge = Draw(), Standard = Draw(),
                HiddenStates = (float[])[.. Enumerable.Range(0, n * 4).Select(_ => random.Next(10) == 0 ? 0 : (float)(random.NextDouble() - 0.4))],
            };
            var result = new NaturalLanguageObjective(options).Evaluate(scores);

            Assert.IsTrue(double.IsFinite(result.Loss) && result.Loss >= 0, $"round {round}: loss {result.Loss}");
            var unit = options.Scale / n * (1 + 1e-9);
            for (var t = 0; t < n; t++)
            {
                var (role, weight, c) = result.Tokens[t];
                Assert.AreEqual(c, result.Coefficients[t]);
                Assert.IsTrue(weight is >= 0 and <= 2, $"round {round}: weight {weight}");
                var inRange = (polarity, role) switch
                {
                    (Polarity.Correct, _) => c >= unit * (1 - 1e-8) && c <= 3 * unit,
                    (_, TokenRole.Salient) => c <= 0 && c >= -2 * 2 * unit,  // b < 2/3 there, so b/(1-b) < 2
                    (_, TokenRole.ClusterNeighbour) => c == 0,
                    _ => c >= 0 && c <= unit,
                };
                Assert.IsTrue(inRange, $"round {round}: {polarity} {role} {c}");
            }
            Assert.HasCount(polarity == Polarity.Incorrect && options.JudgeLikelihood ? n : 0, result.JudgeCoefficients);

            double[] Draw() => [.. Enumerable.Range(0, n).Select(_ => random.Next(8) switch
            {
                0 => double.NegativeInfinity, 1 => 0.0, 2 => -800 * random.NextDouble(), 3 => Math.Log(0.95), 4 => 1e-6 * random.NextDouble(),
                _ => Math.Log(random.NextDouble()),
            })];
        }
    }
}
