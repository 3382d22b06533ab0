using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Tests what every engine that computes in float32 must satisfy: the float64 goldens of every model in golden/llama, within the tolerances
/// documented there, which are at least seven times the error of any summation order. A test class derives from this and names its engine.
/// </summary>
public abstract class EngineConformance
{
    protected abstract IModelEngine Engine { get; }

    /// <summary>Largest absolute error of a log-probability, logit or hidden state.</summary>
    private const double ScoreTolerance = 2e-4;

    /// <summary>Largest error of a gradient relative to the largest entry of its matrix, and largest relative error of a training loss.</summary>
    private const double GradientTolerance = 1e-3, LossTolerance = 1e-3;

    public static IEnumerable<object[]> Models => Fixtures.Folders("golden", "llama");

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(Models))]
    public void Score_GoldenModel_GivesItsLogProbabilitiesAndHiddenStates(string name)
    {
        using var golden = new Golden(name);
        foreach (var adapter in (LoraAdapter?[])[null, golden.Adapter])
        {
            using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder, Adapter = adapter });
            var expected = golden.Expected(adapter is not null);
            var scores = model.Score([golden.Sequence], hiddenStates: true)[0];
            NumberAssert.AreClose(expected.Doubles("log_probs"), scores.LogProbabilities, ScoreTolerance, $"{name} log_probs");
            if (expected.TryGetProperty("hidden_states", out var hidden))
            {
                double[] states = [.. hidden.EnumerateArray().SelectMany(row => row.Doubles())];
                NumberAssert.AreClose(states, scores.HiddenStates.ToArray(), ScoreTolerance, $"{name} hidden_states");
            }
        }
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(Models))]
    public void Decode_GoldenModel_GivesItsLogitsAndGreedyContinuation(string name)
    {
        using var golden = new Golden(name);
        foreach (var adapter in (LoraAdapter?[])[null, golden.Adapter])
        {
            using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder, Adapter = adapter });
            var expected = golden.Expected(adapter is not null);
            using (var session = model.StartDecoding([golden.Sequence.Tokens], 0))
                NumberAssert.AreClose(expected.Doubles("last_logits"), session.Logits(0).ToArray(), ScoreTolerance, $"{name} last_logits");

            // "greedy" holds the prompt and its continuation, or the continuation alone.
            int[] greedy = [.. expected.GetProperty("greedy").EnumerateArray().Select(id => id.GetInt32())];
            var prompt = golden.Sequence.Tokens[..golden.Sequence.PromptLength];
            var wanted = greedy.AsSpan().StartsWith(prompt.Span) && greedy.Length > prompt.Length ? greedy[prompt.Length..] : greedy;
            using (var session = model.StartDecoding([prompt, prompt[..((prompt.Length + 1) / 2)]], wanted.Length))
            {
                for (var i = 0; i < wanted.Length; i++)
                {
                    var logits = session.Logits(0);
                    var next = ArgMax(logits);
                    Assert.IsGreaterThanOrEqualTo(
                        logits[next] - (2 * (float)ScoreTolerance), logits[wanted[i]], // both logits may be off, towards each other
                        $"{name}: greedy token {i} is {next} instead of {wanted[i]}");
                    session.Append([wanted[i], ArgMax(session.Logits(1))]);
                }
            }
        }
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(Models))]
    public void Backward_GoldenModel_GivesEveryLoraGradient(string name)
    {
        using var golden = new Golden(name);
        using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder, Adapter = golden.Adapter, Trainable = TrainableWeights.Lora });
        float[] coefficients = [.. golden.Root.Doubles("coefficients").Select(c => (float)c)];
        using (var pass = model.Forward([golden.Sequence]))
        {
            var loss = -pass.Scores[0].LogProbabilities.Zip(coefficients, (p, c) => (double)p * c).Sum();
            Assert.AreEqual(golden.Expected(true).GetProperty("loss").GetDouble(), loss, LossTolerance * coefficients.Sum(Math.Abs), $"{name} loss");
            pass.Backward([coefficients]);
        }
        var expected = golden.Expected(true).GetProperty("gradients");
        var gradients = model.Export(ModelState.Gradients).ToDictionary(tensor => tensor.Name);
        Assert.AreEqual(expected.EnumerateObject().Count(), gradients.Count, "number of gradients");
        foreach (var gradient in expected.EnumerateObject())
        {
            var values = gradient.Value.Doubles();
            NumberAssert.AreClose(values, gradients[gradient.Name].Values, GradientTolerance * values.Max(Math.Abs), $"{name} {gradient.Name}");
        }
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(Models))]
    public void Train_GoldenModel_GivesItsLossesAndGradientNorms(string name)
    {
        using var golden = new Golden(name);
        using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder, Adapter = golden.Adapter, Trainable = TrainableWeights.Lora });
        var training = golden.Root.GetProperty("training");
        var (options, learningRate) = (Golden.Optimizer(training), training.GetProperty("hyper").GetProperty("learning_rate").GetDouble());
        var n = golden.Sequence.ResponseLength;
        float[] coefficients = [.. Enumerable.Repeat(1f / n, n)];
        double[] losses = training.Doubles("losses"), norms = training.Doubles("gradient_norms");
        for (var step = 0; step < losses.Length; step++)
        {
            using (var pass = model.Forward([golden.Sequence]))
            {
                Assert.AreEqual(losses[step], -pass.Scores[0].LogProbabilities.Average(), LossTolerance * losses[step],
                    $"{name}: loss before step {step}");
                pass.Backward([coefficients]);
            }
            Assert.AreEqual(norms[step], model.ApplyGradients(options, learningRate), 2 * LossTolerance * norms[step],
                $"{name}: norm of step {step}");
        }
        var final = training.GetProperty("final_loss").GetDouble();
        Assert.AreEqual(final, -model.Score([golden.Sequence])[0].LogProbabilities.Average(), LossTolerance * final,
            $"{name}: loss after the last step");
    }

    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best]) best = i;
        return best;
    }
}
