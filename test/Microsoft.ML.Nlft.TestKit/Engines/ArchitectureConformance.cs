using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Tests an engine that computes in float32 with every kind of decoder layer, against the oracle in float64. A test class derives from this and names
/// its engine.
/// </summary>
public abstract class ArchitectureConformance
{
    private const double Tolerance = 2e-4, GradientTolerance = 1e-3;

    protected abstract IModelEngine Engine { get; }

    [TestMethod]
    [DynamicData(nameof(Architectures.AllNames), typeof(Architectures))]
    public void Score_AdaptedModel_GivesTheScoresOfTheOracle(string name)
    {
        using var folder = Architectures.Create(name);
        var adapter = Adapter(folder.Configuration);
        using var model = Engine.Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        var (batch, oracle) = (Batch(folder.Configuration), new ReferenceModel(folder, adapter, Rounding.None));
        var scores = model.Score(batch, hiddenStates: true);
        for (var i = 0; i < batch.Length; i++)
        {
            var (logProbabilities, hiddenStates) = oracle.Score(batch[i]);
            NumberAssert.AreClose(logProbabilities, scores[i].LogProbabilities, Tolerance, $"{name}, sequence {i}, log-probabilities");
            NumberAssert.AreClose(hiddenStates, scores[i].HiddenStates.ToArray(), Tolerance, $"{name}, sequence {i}, hidden states");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Architectures.AllNames), typeof(Architectures))]
    public void Backward_AdaptedModel_GivesTheGradientsOfTheOracle(string name)
    {
        using var folder = Architectures.Create(name);
        var adapter = Adapter(folder.Configuration);
        using var model = Engine.Load(new ModelLoadOptions { Folder = folder, Adapter = adapter, Trainable = TrainableWeights.Lora });
        var (batch, oracle) = (Batch(folder.Configuration), new ReferenceModel(folder, adapter, Rounding.None));
        EngineSteps.Backward(model, batch);
        foreach (var sequence in batch) oracle.Backward(sequence, EngineSteps.Coefficients(sequence).Span);
        var gradients = model.Export(ModelState.Gradients);
        CollectionAssert.AreEquivalent(oracle.Gradients.Keys.ToArray(), gradients.Select(gradient => gradient.Name).ToArray());
        foreach (var gradient in gradients)
        {
            var expected = oracle.Gradients[gradient.Name];
            NumberAssert.AreClose(expected, gradient.Values, GradientTolerance * expected.Max(Math.Abs), $"{name}, {gradient.Name}");
        }
    }

    /// <summary>The sequences of a batch cross the limit of longrope at different steps, and one begins beyond it.</summary>
    [TestMethod]
    [DynamicData(nameof(Architectures.AllNames), typeof(Architectures))]
    public void Decode_SequencesOfDifferentLengths_GivesTheLogitsOfTheOracleAtEveryStep(string name)
    {
        using var folder = Architectures.Create(name);
        var oracle = new ReferenceModel(folder, null, Rounding.None);
        using var model = Engine.Load(new ModelLoadOptions { Folder = folder });
        List<int>[] sequences = [[1, 2, 3], [4, 5, 6, 7, 8, 9], [3], [2, 7, 1, 8, 2, 8, 1, 8], [5, 3, 5, 3]];
        using var session = model.StartDecoding([.. sequences.Select(tokens => (ReadOnlyMemory<int>)tokens.ToArray())], 9);
        for (var step = 0; step < 9; step++)
        {
            var next = new int[sequences.Length];
            for (var s = 0; s < sequences.Length; s++)
            {
                var isRetired = s == 4 && step > 4; // the last one, after five tokens
                next[s] = isRetired ? -1 : (3 * step + s) % folder.Configuration.VocabularySize;
                if (isRetired) continue;
                var expected = oracle.Logits(sequences[s].ToArray())[^1];
                NumberAssert.AreClose(expected, session.Logits(s).ToArray(), Tolerance, $"{name}, sequence {s}, step {step}");
                sequences[s].Add(next[s]);
            }
            session.Append(next);
        }
    }

    private static LoraAdapter Adapter(ModelConfiguration model)
    {
        var random = new Random(5);
        var fresh = LoraAdapter.Create(new() { Rank = 3, Alpha = 6, Dropout = 0, TargetPattern = LoraConfiguration.AllLinear }, model, seed: 1);
        return new(fresh.Configuration, [.. fresh.Factors.Select(factor =>
            factor with { Values = [.. factor.Values.Select(value => value + 0.3f * (random.NextSingle() - 0.5f))] })]);
    }

    private static TokenSequence[] Batch(ModelConfiguration model)
    {
        var random = new Random(7);
        (int Length, int Prompt)[] sizes = [(12, 4), (5, 1), (6, 5), (7, 2)];
        return [.. sizes.Select(size =>
            new TokenSequence(Enumerable.Range(0, size.Length).Select(_ => random.Next(model.VocabularySize)).ToArray(), size.Prompt))];
    }
}
