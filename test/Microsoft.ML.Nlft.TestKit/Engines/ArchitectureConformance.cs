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

    [TestMethod]
    [DynamicData(nameof(Architectures.AllNames), typeof(Architectures))]
    public void Score_CandidatesAndLikeliestTokens_AreThoseOfTheOracle(string name)
    {
        using var folder = Architectures.Create(name);
        var adapter = Adapter(folder.Configuration);
        using var model = Engine.Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        var (batch, oracle) = (WithCandidates(folder.Configuration), new ReferenceModel(folder, adapter, Rounding.None));
        var scores = model.Score(batch);
        for (var i = 0; i < batch.Length; i++)
        {
            var sequence = batch[i];
            var logits = oracle.Logits(sequence.Tokens)[(sequence.PromptLength - 1)..^1];
            double[][] expected = [.. logits.Select(row => Array.ConvertAll(row, z => z - Tape.LogSum(row)))];
            var place = $"{name}, sequence {i}";
            NumberAssert.AreClose([.. expected.Select((row, t) => row[sequence.Tokens.Span[sequence.PromptLength + t]])], scores[i].LogProbabilities,
                Tolerance, $"{place}, log-probabilities");
            var perToken = sequence.CandidatesPerToken;
            NumberAssert.AreClose([.. sequence.Candidates.ToArray().Select((id, k) => expected[k / perToken][id])],
                scores[i].CandidateLogProbabilities, Tolerance, $"{place}, candidates");
            if (sequence.Likeliest == 0)
            {
                Assert.IsNull(scores[i].Likeliest, place);
                continue;
            }
            var likeliest = scores[i].Likeliest!;
            Assert.AreEqual(Math.Min(sequence.Likeliest, folder.Configuration.VocabularySize), likeliest.Count, place);
            for (var t = 0; t < expected.Length; t++)
            {
                var ids = likeliest.Ids[(t * likeliest.Count)..((t + 1) * likeliest.Count)];
                var found = likeliest.LogProbabilities[(t * likeliest.Count)..((t + 1) * likeliest.Count)];
                CollectionAssert.AllItemsAreUnique(ids, place);
                NumberAssert.AreClose([.. expected[t].OrderDescending().Take(likeliest.Count)], found, Tolerance, $"{place}, likeliest at {t}");
                NumberAssert.AreClose([.. ids.Select(id => expected[t][id])], found, Tolerance, $"{place}, ids of the likeliest at {t}");
            }
        }
    }

    /// <summary>
    /// Coefficients of both signs, some of which cancel at a position, candidates that are the response token or appear twice, and a different number
    /// of them in every sequence.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Architectures.AllNames), typeof(Architectures))]
    public void Backward_CandidatesWithCoefficients_GivesTheGradientsOfTheOracle(string name)
    {
        using var folder = Architectures.Create(name);
        var adapter = Adapter(folder.Configuration);
        using var model = Engine.Load(new ModelLoadOptions { Folder = folder, Adapter = adapter, Trainable = TrainableWeights.Lora });
        var (batch, oracle) = (WithCandidates(folder.Configuration), new ReferenceModel(folder, adapter, Rounding.None));
        ReadOnlyMemory<float>[] coefficients = [.. batch.Select(Coefficients)];
        using (var pass = model.Forward(batch)) pass.Backward(coefficients);
        for (var i = 0; i < batch.Length; i++) oracle.Backward(batch[i], coefficients[i].Span);
        foreach (var gradient in model.Export(ModelState.Gradients))
        {
            var expected = oracle.Gradients[gradient.Name];
            NumberAssert.AreClose(expected, gradient.Values, GradientTolerance * expected.Max(Math.Abs), $"{name}, {gradient.Name}");
        }

        static ReadOnlyMemory<float> Coefficients(TokenSequence sequence)
        {
            var perToken = 1 + sequence.CandidatesPerToken;
            return Enumerable.Range(0, sequence.ResponseLength * perToken).Select(i => ((3 * i % 7) - 3) / 3f / sequence.ResponseLength).ToArray();
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

    private static TokenSequence[] WithCandidates(ModelConfiguration model)
    {
        var random = new Random(3);
        (int Candidates, int Likeliest)[] asked = [(3, 2), (0, 5), (1, 0), (7, 10_000)];
        return [.. Batch(model).Zip(asked, (sequence, ask) => sequence with
        {
            Candidates = Enumerable.Range(0, sequence.ResponseLength * ask.Candidates).Select(i => i % 3 == 1
                ? sequence.Tokens.Span[sequence.PromptLength + i / ask.Candidates] : random.Next(model.VocabularySize)).ToArray(),
            Likeliest = ask.Likeliest,
        })];
    }

    private static TokenSequence[] Batch(ModelConfiguration model)
    {
        var random = new Random(7);
        (int Length, int Prompt)[] sizes = [(12, 4), (5, 1), (6, 5), (7, 2)];
        return [.. sizes.Select(size =>
            new TokenSequence(Enumerable.Range(0, size.Length).Select(_ => random.Next(model.VocabularySize)).ToArray(), size.Prompt))];
    }
}
