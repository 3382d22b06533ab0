using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>An adapter, batches and steps that the tests of every engine share.</summary>
public static class EngineSteps
{
    public static readonly LoraConfiguration Lora = new()
    {
        Rank = 3,
        Alpha = 6,
        Dropout = 0.2,
        TargetModules = ["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"],
    };

    public static readonly AdamWOptions AdamW = new() { WeightDecay = 0.01 };

    public static TokenSequence[] Batch(params int[] lengths)
    {
        var random = new Random(11);
        return [.. lengths.Select((length, i) => new TokenSequence(Tokens(length), Math.Max(1, length / 3))
        {
            DropoutSeed = (ulong)i + 1,
        })];

        int[] Tokens(int length) => [.. Enumerable.Range(0, length).Select(_ => random.Next(TinyModels.Vocabulary))];
    }

    public static ReadOnlyMemory<float> Coefficients(TokenSequence sequence) =>
        Enumerable.Range(0, sequence.ResponseLength).Select(t => 1f / sequence.ResponseLength * (t % 3 == 1 ? -0.2f : 1)).ToArray();

    public static float Backward(ICausalLanguageModel model, TokenSequence[] batch)
    {
        using var pass = model.Forward(batch);
        pass.Backward([.. batch.Select(Coefficients)]);
        return pass.Scores.Sum(scores => -scores.LogProbabilities.Average());
    }

    public static float Step(ICausalLanguageModel model, TokenSequence[] batch)
    {
        var loss = Backward(model, batch);
        model.ApplyGradients(AdamW, 0.02);
        return loss;
    }

    /// <summary>Every tensor within <paramref name="tolerance"/> of its largest entry (of <paramref name="floor"/>, if that is more).</summary>
    public static void AreClose(IReadOnlyList<NamedTensor> expected, IReadOnlyList<NamedTensor> actual, double tolerance, double floor = 0)
    {
        CollectionAssert.AreEquivalent(expected.Select(t => t.Name).ToArray(), actual.Select(t => t.Name).ToArray());
        foreach (var (wanted, found) in expected.OrderBy(t => t.Name).Zip(actual.OrderBy(t => t.Name)))
        {
            CollectionAssert.AreEqual(wanted.Shape, found.Shape, wanted.Name);
            NumberAssert.AreClose(Doubles(wanted.Values), found.Values, tolerance * Math.Max(floor, wanted.Values.Max(Math.Abs)), wanted.Name);
        }
    }

    public static double[] Doubles(IEnumerable<float> values) => [.. values.Select(value => (double)value)];
}
