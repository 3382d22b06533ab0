using Gsm8k;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

/// <summary>Trains one epoch on real rows: GSM8K's questions with right and wrong solutions of a 6B model, judged by rule.</summary>
[TestClass]
public class Gsm8kRunTests
{
    [TestMethod]
    [TestCategory("Conformance")]
    public void OneEpoch_SixteenRealRows_HasFiniteLossesAndRaisesCorrectResponses()
    {
        var solutions = Fixtures.Path_("fixtures", "gsm8k", "example_model_solutions.jsonl");
        if (!File.Exists(solutions)) Assert.Inconclusive($"There is no {solutions}: set NLFT_FIXTURES to the folder of shared test data.");
        var log = new StringWriter();
        var model = Path.Combine(Fixtures.RepositoryRoot(), "samples", "models", "tiny-word-problems");

        var (training, before, after) = Gsm8kRun.OneEpoch(solutions, model, log);

        Assert.HasCount(8, training.Steps, "16 rows, two in a step");
        foreach (var step in training.Steps)
        {
            Assert.IsTrue(double.IsFinite(step.Loss), $"loss of step {step.Step}");
            Assert.IsTrue(double.IsFinite(step.GradientNorm) && step.GradientNorm > 0, $"gradient norm of step {step.Step}");
        }
        Assert.IsLessThan(before, after, "correct responses become likelier");
        StringAssert.StartsWith(log.ToString(), "16 rows, 8 of them right; in ");
        Assert.IsFalse(log.ToString().Contains("; in 0 the prompt", StringComparison.Ordinal), "Some prompts are long enough to be cut.");
        StringAssert.Contains(log.ToString(), "first judgment: ");
    }
}
