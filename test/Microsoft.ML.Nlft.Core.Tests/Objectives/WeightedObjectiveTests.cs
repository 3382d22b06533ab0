using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>DFT, EAFT, ProFit and CUT against their formulas, written anew here, and finite differences with the weights held constant.</summary>
[TestClass]
public sealed class WeightedObjectiveTests
{
    private static double[] Probabilities(double[] logits)
    {
        var sum = logits.Sum(Math.Exp);
        return Array.ConvertAll(logits, z => Math.Exp(z) / sum);
    }

    private static IEnumerable<(string Name, ITokenObjective Objective, Func<double[], double, double> Weight)> Weighted =>
    [
        ("DFT", new DynamicObjective(), (_, own) => own),
        ("ProFit", new ProbabilityGuidedObjective(), (_, own) => own > 0.1 ? 1 : 0),
        ("ProFit", new ProbabilityGuidedObjective(0), (_, _) => 1),
        ("EAFT", new EntropyAdaptiveObjective(topTokens: 4), (p, _) => Entropy(p, 4)),
        ("EAFT", new EntropyAdaptiveObjective(topTokens: 2, exponent: 2), (p, _) => Math.Pow(Entropy(p, 2), 2)),
        ("EAFT", new EntropyAdaptiveObjective(topTokens: 12), (p, _) => Entropy(p, 12)),
    ];

    private static double Entropy(double[] p, int count)
    {
        var top = p.OrderDescending().Take(count).ToArray();
        return -top.Sum(q => q / top.Sum() * Math.Log(q / top.Sum())) / Math.Log(count);
    }

    [TestMethod]
    public void Evaluate_EveryWeighting_IsItsFormulaForEitherPolarity()
    {
        foreach (var (name, objective, weight) in Weighted)
        {
            for (var seed = 0; seed < 20; seed++)
            {
                var drawn = new Distributions(seed);
                double[][] p = Array.ConvertAll(drawn.Base, Probabilities);
                double[] own = [.. drawn.Response.Select((y, t) => p[t][y])];
                double[] w = [.. own.Select((b, t) => weight(p[t], b))];
                foreach (var polarity in Enum.GetValues<Polarity>())
                {
                    var scores = drawn.Scores(objective, polarity);
                    var result = objective.Evaluate(scores);
                    Assert.AreEqual(-w.Zip(own, (c, b) => c * Math.Log(b)).Average(), result.Loss, 1e-12, $"{name}, loss");
                    ObjectiveGoldens.AreClose(Array.ConvertAll(w, c => c / 5), result.Coefficients, 1e-12, name);
                    Assert.AreEqual(name, objective.Name);
                    drawn.CheckGradient(result, [], () => -w.Zip(drawn.Response.Select((y, t) =>
                        ObjectiveGoldens.LogSoftmax(drawn.Base[t])[y]), (c, b) => c * b).Average());
                }
            }
        }
    }

    [TestMethod]
    [DataRow(1.1, 1.0)]
    [DataRow(1.5, 0.3)]
    [DataRow(1.0, 2.0)]
    public void Evaluate_ContrastiveUnlikelihood_IsItsFormula(double threshold, double weight)
    {
        var objective = new ContrastiveUnlikelihoodObjective(threshold, weight);
        var unlikely = 0;
        for (var seed = 0; seed < 20; seed++)
        {
            var drawn = new Distributions(seed);
            var scores = drawn.Scores(objective, Polarity.Incorrect);
            bool[] made = [.. scores.Base.Zip(scores.Judge, (b, j) => Math.Exp(j) / Math.Exp(b) > threshold)];
            unlikely += made.Count(flag => flag);
            double Loss()
            {
                var now = drawn.Scores(objective, Polarity.Incorrect);
                var q = now.Base.Select((b, t) => made[t] ? weight * Math.Log(1 - Math.Exp(b)) : b).Average();
                return -(q + now.Judge.Average()) / 2;
            }
            var result = objective.Evaluate(scores);
            Assert.AreEqual(Loss(), result.Loss, 1e-12);
            drawn.CheckGradient(result, [], Loss);
            CollectionAssert.AreEqual(made, result.Tokens.Select(token => token.Role == TokenRole.Salient).ToArray());
            Assert.IsTrue(result.JudgeCoefficients.All(c => c == 0.1), "1/2 of 1/n");
            var right = objective.Evaluate(drawn.Scores(objective, Polarity.Correct));
            Assert.AreEqual(-scores.Base.Average(), right.Loss, 1e-12);
            Assert.IsEmpty(right.JudgeCoefficients);
        }
        Assert.IsGreaterThan(10, unlikely);
    }

    /// <summary>Probabilities of 0 and 1, which float32 log-softmaxes give, leave losses and coefficients finite.</summary>
    [TestMethod]
    public void Evaluate_ProbabilitiesOfZeroAndOne_GiveFiniteNumbers()
    {
        ITokenObjective[] objectives = [new DynamicObjective(), new ProbabilityGuidedObjective(), new ContrastiveUnlikelihoodObjective()];
        foreach (var objective in objectives)
        {
            foreach (var b in (double[])[0, 1, 1e-300])
            {
                foreach (var j in (double[])[0, 1, 0.5])
                {
                    var result = objective.Evaluate(Scores.Incorrect([b, 0.5], [j, 0.5], [0.5, 0.5]));
                    Assert.IsTrue(double.IsFinite(result.Loss) && result.Coefficients.All(double.IsFinite), $"{objective.Name}, b {b}, j {j}");
                }
            }
        }
    }

    [TestMethod]
    public void Create_OptionOutOfRange_NamesIt()
    {
        (Action Create, string Message)[] refused =
        [
            (() => _ = new ProbabilityGuidedObjective(1), "option threshold: found 1; expected a finite number in [0, 1)."),
            (() => _ = new EntropyAdaptiveObjective(1), "option topTokens: found 1; expected a finite number 2 or more."),
            (() => _ = new EntropyAdaptiveObjective(exponent: 0), "option exponent: found 0; expected a finite number above 0."),
            (() => _ = new ContrastiveUnlikelihoodObjective(0.9), "option threshold: found 0.9; expected a finite number 1 or more."),
            (() => _ = new ContrastiveUnlikelihoodObjective(weight: -1), "option weight: found -1; expected a finite number 0 or more."),
        ];
        foreach (var (create, message) in refused) StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(create).Message, message);
    }
}
