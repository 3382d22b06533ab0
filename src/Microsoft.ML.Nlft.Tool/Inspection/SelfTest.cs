using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>Compares an engine with <see cref="PlainModel"/> on a tiny random model, on this machine.</summary>
internal static class SelfTest
{
    /// <summary>The largest difference of a log-probability that float32 rounding explains.</summary>
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

    /// <summary>Returns the largest difference between the two over the log-probabilities of 39 tokens.</summary>
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
