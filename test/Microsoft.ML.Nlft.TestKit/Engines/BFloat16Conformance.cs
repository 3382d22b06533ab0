using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Tests what every engine that stores frozen weights and activations as bfloat16 must satisfy, within the bounds of <see cref="RoundingBound"/>.
/// Trained factors, their gradients and the optimizer are float32. A test class derives from this and names its engine.
/// </summary>
public abstract class BFloat16Conformance
{
    private const int Steps = 8;
    private const double LearningRate = 0.01;

    protected abstract IModelEngine Engine { get; }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(EngineCase.Names), typeof(EngineCase))]
    public void Score_BFloat16_StaysWithinWhatRoundingCanDo(string name)
    {
        using var tested = EngineCase.Open(name);
        using var model = Load(tested, TrainableWeights.None);
        var scores = model.Score([tested.Sequence], hiddenStates: true)[0];
        new RoundingBound(rounding =>
        {
            var (logProbabilities, hiddenStates) = Reference(tested, rounding).Score(tested.Sequence);
            return Results(logProbabilities, hiddenStates);
        }).CheckDistances(Results(Doubles(scores.LogProbabilities), Doubles(scores.HiddenStates.ToArray())), name);

        static Dictionary<string, double[]> Results(double[] logProbabilities, double[] hiddenStates) =>
            new() { ["log-probabilities"] = logProbabilities, ["hidden states"] = hiddenStates };
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(EngineCase.Names), typeof(EngineCase))]
    public void Decode_BFloat16_StaysWithinWhatRoundingCanDo(string name)
    {
        using var tested = EngineCase.Open(name);
        using var model = Load(tested, TrainableWeights.None);
        var (tokens, prompt) = (tested.Sequence.Tokens, tested.Sequence.PromptLength);
        var logits = new List<double>();
        using (var session = model.StartDecoding([tokens[..prompt], tokens[..1]], tested.Sequence.ResponseLength))
        {
            for (var t = prompt; t < tokens.Length; t++)
            {
                logits.AddRange(Doubles(session.Logits(0)));
                session.Append([tokens.Span[t], tokens.Span[t - prompt + 1]]);
            }
        }
        new RoundingBound(rounding => Results([.. Reference(tested, rounding).Logits(tokens)[(prompt - 1)..^1].SelectMany(row => row)]))
            .CheckDistances(Results([.. logits]), name);

        static Dictionary<string, double[]> Results(double[] logits) => new() { ["logits"] = logits };
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(EngineCase.Names), typeof(EngineCase))]
    public void Backward_BFloat16_StaysWithinWhatRoundingCanDo(string name)
    {
        using var tested = EngineCase.Open(name);
        using var model = Load(tested, TrainableWeights.Lora);
        var coefficients = EngineSteps.Coefficients(tested.Sequence);
        using (var pass = model.Forward([tested.Sequence])) pass.Backward([coefficients]);
        var actual = model.Export(ModelState.Gradients).ToDictionary(tensor => tensor.Name, tensor => Doubles(tensor.Values));
        var bound = new RoundingBound(rounding =>
        {
            var reference = Reference(tested, rounding);
            reference.Backward(tested.Sequence, coefficients.Span);
            return reference.Gradients;
        });
        bound.CheckDistances(actual, name);
        bound.CheckDirection(actual, name);
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(EngineCase.Names), typeof(EngineCase))]
    public void Train_BFloat16_StaysWithinWhatRoundingCanDo(string name)
    {
        using var tested = EngineCase.Open(name);
        using var model = Load(tested, TrainableWeights.Lora);
        var coefficients = EngineSteps.Coefficients(tested.Sequence);
        var options = new AdamWOptions();
        var actual = Run(
            () =>
            {
                using var pass = model.Forward([tested.Sequence]);
                pass.Backward([coefficients]);
                return Doubles(pass.Scores[0].LogProbabilities);
            },
            () => model.ApplyGradients(options, LearningRate));
        new RoundingBound(rounding =>
        {
            var reference = Reference(tested, rounding);
            return Run(() => reference.Backward(tested.Sequence, coefficients.Span), () => reference.ApplyGradients(options, LearningRate));
        }).CheckDistances(actual, name);
        Assert.IsTrue(model.Export(ModelState.Weights)[0].Values.Any(value => BitConverter.SingleToUInt32Bits(value) % 65536 != 0),
            "The adapter is not rounded to bfloat16.");
    }

    /// <summary>Losses and gradient norms of some steps.</summary>
    private static Dictionary<string, double[]> Run(Func<double[]> backward, Func<double> apply)
    {
        var (losses, norms) = (new double[Steps], new double[Steps]);
        for (var step = 0; step < Steps; step++) (losses[step], norms[step]) = (-backward().Average(), apply());
        return new() { ["losses"] = losses, ["gradient norms"] = norms };
    }

    private static ReferenceModel Reference(EngineCase tested, Rounding rounding) => new(tested.Folder, tested.Adapter, rounding);

    private ICausalLanguageModel Load(EngineCase tested, TrainableWeights trainable) =>
        Engine.Load(new ModelLoadOptions { Folder = tested.Folder, Adapter = tested.Adapter, Trainable = trainable });

    private static double[] Doubles(ReadOnlySpan<float> values)
    {
        var wide = new double[values.Length];
        for (var i = 0; i < values.Length; i++) wide[i] = values[i];
        return wide;
    }
}
