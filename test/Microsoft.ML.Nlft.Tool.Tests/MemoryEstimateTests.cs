using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Tests;

/// <summary>The estimate against what the engine really allocates.</summary>
[TestClass]
[DoNotParallelize]
public sealed class MemoryEstimateTests
{
    private static readonly ModelConfiguration s_model = new()
    {
        ModelType = "llama",
        VocabularySize = 512,
        HiddenSize = 64,
        IntermediateSize = 160,
        LayerCount = 6,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadSize = 16,
        MaximumPositions = 512,
        TieWordEmbeddings = true,
        SlidingWindows = [0, 0, 0, 0, 0, 0],
        EndOfSequenceIds = [0],
    };

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    [DataRow(false, 2)]
    [DataRow(true, 2)]
    [DataRow(false, 5)]
    [DataRow(false, 0, "phi3")]
    [DataRow(true, 0, "phi3")]
    [DataRow(false, 0, "gpt2")]
    [DataRow(true, 0, "gpt2")]
    public void Estimate_TrainingPass_MatchesAllocation(bool recompute, int expertsPerToken = 0, string kind = "llama")
    {
        var experts = new ExpertConfiguration { Count = 6, PerToken = expertsPerToken, IntermediateSize = 160 };
        var model = expertsPerToken > 0 ? s_model with { ModelType = "mixtral", Experts = experts } : s_model with { ModelType = kind };
        if (kind == "gpt2")
        {
            model = model with
            {
                KeyValueHeadCount = 4, NormKind = NormKind.Layer, Activation = Activation.GeluTanh, QkvBias = true, OutputBias = true, MlpBias = true,
            };
        }
        var allocated = Allocated(model, recompute, rows: 4, tokens: 256);
        var estimated = new MemoryEstimate(model, storedBytes: 0, rows: 4, tokensPerRow: 256).Activations(recompute);

        Assert.AreEqual(1, (double)allocated / estimated, 0.3, $"{allocated} bytes were allocated, {estimated} estimated");
    }

    /// <summary>Bytes of the first forward and backward pass: the engine keeps its buffers, so they are what a run holds.</summary>
    private static long Allocated(ModelConfiguration configuration, bool recompute, int rows, int tokens)
    {
        var place = Directory.CreateTempSubdirectory("nlft-tests");
        try
        {
            ModelInitializer.Create(place.FullName, configuration, seed: 1);
            using var folder = ModelFolder.Open(place.FullName);
            using var model = new ManagedEngine(new ManagedEngineOptions { Threads = 1, ActivationMemory = recompute ? 0 : null }).Load(new()
            {
                Folder = folder,
                Trainable = TrainableWeights.Lora,
                Lora = new() { Dropout = 0 },
            });
            TokenSequence[] batch =
                [.. Enumerable.Range(0, rows)
                .Select(row => new TokenSequence(Enumerable.Range(0, tokens).Select(i => (i * 31 + row) % 512).ToArray(), tokens / 2))];
            var before = GC.GetTotalAllocatedBytes(precise: true);
            using (var pass = model.Forward(batch))
                pass.Backward([.. batch.Select(sequence => (ReadOnlyMemory<float>)new float[sequence.ResponseLength])]);
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }
        finally
        {
            place.Delete(recursive: true);
        }
    }
}
