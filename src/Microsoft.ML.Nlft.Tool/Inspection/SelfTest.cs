using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>A tiny random model through an engine and through <see cref="PlainModel"/>: do they agree on this machine?</summary>
internal static class SelfTest
{
    /// <summary>Largest difference of a log-probability that float32 rounding explains.</summary>
    public const double Tolerance = 1e-4;

    private static readonly ModelConfiguration s_model = new()
    {
        ModelType = "llama",
        VocabularySize = 97,
        HiddenSize = 48,
        IntermediateSize = 80,
        LayerCount = 2,
        HeadCount = 6,
        KeyValueHeadCount = 2,
        HeadSize = 8,
        MaximumPositions = 64,
        TieWordEmbeddings = true,
        SlidingWindows = [0, 0],
        EndOfSequenceIds = [0],
    };

    /// <summary>The largest difference between the two in any log-probability of 39 tokens.</summary>
    public static double LargestDifference(IModelEngine engine, TensorType type = TensorType.F32)
    {
        var place = Directory.CreateTempSubdirectory("nlft-doctor");
        try
        {
            ModelInitializer.Create(place.FullName, s_model, seed: 20241228, type);
            using var folder = ModelFolder.Open(place.FullName);
            using var network = engine.Load(new ModelLoadOptions { Folder = folder });
            int[] tokens = [.. Enumerable.Range(0, 40).Select(i => i * i * 7 % s_model.VocabularySize)];
            var engineSays = network.Score([new TokenSequence(tokens, promptLength: 1)])[0].LogProbabilities;
            return new PlainModel(folder).LogProbabilities(tokens).Zip(engineSays, (plain, fast) => Math.Abs(plain - fast)).Max();
        }
        finally
        {
            place.Delete(recursive: true);
        }
    }
}
