using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.TorchSharp;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The estimate of memory against what libtorch allocates, and what it refuses.</summary>
[TestClass]
[DoNotParallelize]
public sealed class MemoryEstimateTests
{
    // Weights of 10 MB and activations of 30 MB in bfloat16, the smallest case: far above what the compiler and the allocator hold meanwhile.
    private static readonly ModelConfiguration Wide = TinyModels.Configuration with
    {
        VocabularySize = 2048,
        HiddenSize = 256,
        IntermediateSize = 768,
        LayerCount = 6,
        HeadCount = 8,
        KeyValueHeadCount = 4,
        HeadSize = 32,
        MaximumPositions = 512,
        SlidingWindows = new int[6],
    };

    private static ModelConfiguration Shape(string kind) => kind switch
    {
        "qwen3_moe" => Wide with { ModelType = kind, Experts = new() { Count = 4, PerToken = 2, IntermediateSize = 384 } },
        "gemma3_text" => Wide with
        {
            ModelType = kind, Norms = NormPlacement.Both, NormKind = NormKind.RmsPlusOne, Activation = Activation.GeluTanh,
            EmbeddingMultiplier = Math.Sqrt(Wide.HiddenSize), SlidingRope = new(),
        },
        "phi3" => Wide with { ModelType = kind, QueryKeyNorm = false },
        "gpt2" => Wide with
        {
            ModelType = kind, QueryKeyNorm = false, KeyValueHeadCount = Wide.HeadCount, NormKind = NormKind.Layer, Activation = Activation.GeluTanh,
            QkvBias = true, OutputBias = true, MlpBias = true,
        },
        _ => Wide,
    };

    private static readonly LoraConfiguration Lora = new() { Rank = 64 };

    [TestMethod]
    [DataRow(TensorType.F32, null, TrainableWeights.Lora)]
    [DataRow(TensorType.F32, 8, TrainableWeights.Lora)]
    [DataRow(TensorType.F32, null, TrainableWeights.All)]
    [DataRow(TensorType.BF16, null, TrainableWeights.Lora)]
    [DataRow(TensorType.BF16, 8, TrainableWeights.Lora)]
    [DataRow(TensorType.BF16, null, TrainableWeights.All)]
    [DataRow(TensorType.F32, 8, TrainableWeights.Lora, "phi3")]
    [DataRow(TensorType.F32, 8, TrainableWeights.Lora, "gpt2")]
    [DataRow(TensorType.F32, null, TrainableWeights.All, "gpt2")]
    [DataRow(TensorType.F32, 4, TrainableWeights.Lora)]
    [DataRow(TensorType.BF16, 4, TrainableWeights.Lora)]
    [DataRow(TensorType.F32, 4, TrainableWeights.Lora, "gpt2")]
    public void Estimate_LoadedModel_MatchesAllocation(TensorType type, int? bits, TrainableWeights trainable, string kind = "qwen3")
    {
        RequireMeasurement();
        using var folder = TinyModels.Create(1, Shape(kind));
        var engine = Models.Engine(bits: bits, type: type);
        var need = engine.Estimate(Request(folder, trainable))!;
        Models.Load(folder, trainable, engine, Lora).Dispose(); // what the first use alone allocates
        var allocated = Nearest(need.Weights + need.Trained, () =>
        {
            var before = CLibrary.AllocatedBytes();
            using var model = Models.Load(folder, trainable, engine, Lora);
            return CLibrary.AllocatedBytes() - before;
        });
        Assert.AreEqual(1, (double)allocated / (need.Weights + need.Trained), 0.03,
            $"{allocated} bytes allocated, {need.Weights} of weights and {need.Trained} of trained weights estimated");
    }

    /// <summary>
    /// Every matrix of the layers but the router's takes a byte per weight and the scale of its rows, or 18 bytes for each block of 32.
    /// </summary>
    [TestMethod]
    public void FewBits_MixtureOfExperts_LeaveTheRouterAsItIs()
    {
        var model = Shape("qwen3_moe");
        var estimate = new TorchSharpMemoryEstimate(model, TensorType.F32, tokens: 0);
        var shapes = ModelLayout.Weights(model).Where(weight => weight.Name.EndsWith("_proj.weight", StringComparison.Ordinal)).ToList();
        Assert.HasCount(model.LayerCount * (4 + 3 * model.Experts!.Count), shapes);
        Assert.AreEqual(estimate.Weights - shapes.Sum(weight => 3 * weight.Shape[0] * weight.Shape[1] - 4 * weight.Shape[0]), estimate.Int8Weights);
        Assert.AreEqual(estimate.Weights - shapes.Sum(weight => weight.Shape[0] * weight.Shape[1] / 32 * (128 - 18)), estimate.Int4Weights);
    }

    /// <summary>A model of 8 B parameters trains with 4 rows of 160 + 140 tokens in 24 GB, and with weights of 4 bits in 9.</summary>
    [TestMethod]
    public void Estimate_OfEightBillionParameters_StaysWithinItsBounds()
    {
        var model = Wide with
        {
            ModelType = "llama", QueryKeyNorm = false, VocabularySize = 128256, HiddenSize = 4096, IntermediateSize = 14336, LayerCount = 32,
            HeadCount = 32, KeyValueHeadCount = 8, HeadSize = 128, SlidingWindows = new int[32], TieWordEmbeddings = false,
        };
        var lora = new LoraConfiguration();
        var estimate = new TorchSharpMemoryEstimate(model, TensorType.BF16, 4 * (160 + 140));
        Assert.AreEqual(8_030_261_248, estimate.Parameters);
        var trained = TorchSharpMemoryEstimate.Trained(MemoryEstimate.AdapterParameters(lora, model), TensorType.BF16);
        var (plain, few) = (estimate.Weights + trained + estimate.Activations(lora, recompute: false),
            estimate.Int4Weights + trained + estimate.Activations(lora, recompute: true));
        Console.WriteLine($"{plain / 1e9:F1} GB, with 4 bits {few / 1e9:F1} GB");
        Assert.IsLessThan(24e9, plain);
        Assert.IsLessThan(9e9, few);
    }

    /// <summary>
    /// Between the forward and the backward pass, everything of the estimate is there but the set of activations and the logits in use.
    /// </summary>
    [TestMethod]
    [DataRow(TensorType.F32, false, TrainableWeights.Lora)]
    [DataRow(TensorType.F32, true, TrainableWeights.Lora)]
    [DataRow(TensorType.F32, false, TrainableWeights.All)]
    [DataRow(TensorType.F32, true, TrainableWeights.All)]
    [DataRow(TensorType.BF16, false, TrainableWeights.Lora)]
    [DataRow(TensorType.BF16, false, TrainableWeights.All)]
    [DataRow(TensorType.F32, false, TrainableWeights.Lora, "qwen3_moe")]
    [DataRow(TensorType.F32, true, TrainableWeights.Lora, "qwen3_moe")]
    [DataRow(TensorType.F32, false, TrainableWeights.All, "qwen3_moe")]
    [DataRow(TensorType.F32, false, TrainableWeights.Lora, "gemma3_text")]
    [DataRow(TensorType.F32, true, TrainableWeights.Lora, "gemma3_text")]
    [DataRow(TensorType.F32, false, TrainableWeights.All, "gemma3_text")]
    [DataRow(TensorType.BF16, false, TrainableWeights.Lora, "gemma3_text")]
    [DataRow(TensorType.F32, false, TrainableWeights.Lora, "phi3")]
    [DataRow(TensorType.F32, true, TrainableWeights.Lora, "phi3")]
    [DataRow(TensorType.F32, false, TrainableWeights.All, "phi3")]
    [DataRow(TensorType.F32, false, TrainableWeights.Lora, "gpt2")]
    [DataRow(TensorType.F32, true, TrainableWeights.Lora, "gpt2")]
    [DataRow(TensorType.F32, false, TrainableWeights.All, "gpt2")]
    public void Estimate_ForwardPass_MatchesWhatItKeeps(TensorType type, bool recompute, TrainableWeights trainable, string kind = "qwen3")
    {
        RequireMeasurement();
        using var folder = TinyModels.Create(1, Shape(kind));
        using var model = Models.Load(folder, trainable, Models.Engine(recompute, type: type), Lora);
        var batch = Batch(rows: type == TensorType.F32 ? 2 : 1); // products in bfloat16 are slow on most CPUs
        model.Forward(batch).Dispose();
        var tokens = batch.Sum(sequence => sequence.Tokens.Length);
        var (all, one) = (Activations(recompute: false), Activations(recompute: true));
        var logits = (type == TensorType.F32 ? 8 : 10) * tokens * Wide.VocabularySize;
        var expected = (recompute ? one : all) - (all - one) / (Wide.LayerCount - 1) - logits;
        // In bfloat16, rms_norm keeps its inputs in float32 on a CPU; the kernel of a GPU does not.
        if (type == TensorType.BF16 && kind == "qwen3")
            expected += 4 * tokens * Wide.LayerCount * (2 * Wide.HiddenSize + (Wide.HeadCount + Wide.KeyValueHeadCount) * Wide.HeadSize);
        var kept = Nearest(expected, () =>
        {
            var before = CLibrary.AllocatedBytes();
            using var pass = model.Forward(batch);
            return CLibrary.AllocatedBytes() - before;
        });
        Assert.AreEqual(expected, kept, 0.1 * expected + 6e6, $"{kept} bytes kept, {expected} expected");

        long Activations(bool recompute) =>
            Models.Engine(recompute, type: type).Estimate(Request(folder, trainable) with { Tokens = tokens })!.Activations;
    }

    /// <summary>What would fit is never refused: a pass needs at least what is estimated.</summary>
    [TestMethod]
    [TestCategory("Slow")]
    [DataRow(false, TrainableWeights.Lora)]
    [DataRow(true, TrainableWeights.Lora)]
    [DataRow(false, TrainableWeights.All)]
    [DataRow(true, TrainableWeights.All)]
    public void Estimate_TrainingPass_IsNoMoreThanItsPeak(bool recompute, TrainableWeights trainable)
    {
        RequireMeasurement();
        using var folder = TinyModels.Create(1, Wide);
        var engine = Models.Engine(recompute);
        using var model = Models.Load(folder, trainable, engine, Lora);
        var batch = Batch(rows: 2);
        Pass();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive); // memory of other tests must not be freed during the measurement
        CLibrary.TrimHeap();
        var before = ProcessStatus.ResetPeak();
        Pass();
        var estimate = engine.Estimate(Request(folder, trainable) with { Tokens = batch.Sum(sequence => sequence.Tokens.Length) })!.Activations;
        Assert.IsGreaterThan(0.9 * estimate, (double)(ProcessStatus.Peak() - before));

        void Pass()
        {
            using var pass = model.Forward(batch);
            pass.Backward([.. batch.Select(sequence => (ReadOnlyMemory<float>)new float[sequence.ResponseLength])]);
        }
    }

    [TestMethod]
    public void Estimate_EngineOptions_OfferTheSavingsThatRemain()
    {
        using var folder = TinyModels.Create(1, Wide);
        const string Recompute = "set RecomputeActivations of the engine", Int8 = "set Int8Weights of the engine";
        const string Int4 = "set Int4Weights of the engine";
        CollectionAssert.AreEqual((string[])[Recompute, Int8, Int4], Offered(Models.Engine(), TrainableWeights.Lora));
        CollectionAssert.AreEqual((string[])[Int8, Int4], Offered(Models.Engine(recompute: true), TrainableWeights.Lora));
        CollectionAssert.AreEqual((string[])[Int4], Offered(Models.Engine(bits: 8), TrainableWeights.Lora));
        CollectionAssert.AreEqual((string[])[], Offered(Models.Engine(bits: 4), TrainableWeights.Lora));
        CollectionAssert.AreEqual((string[])[Recompute], Offered(Models.Engine(), TrainableWeights.All));
        CollectionAssert.AreEqual((string[])[Int8, Int4], Offered(Models.Engine(), TrainableWeights.None, tokens: 0));

        string[] Offered(TorchSharpEngine engine, TrainableWeights trainable, int tokens = 100)
        {
            var need = engine.Estimate(Request(folder, trainable) with { Tokens = tokens })!;
            foreach (var saving in need.Savings) Assert.IsLessThan(need.Sum, saving.Need.Sum, saving.Option);
            return [.. need.Savings.Select(saving => saving.Option)];
        }
    }

    [TestMethod]
    public void Available_OnTheCpu_IsAtLeastWhatTheHeapMayUse()
    {
        if (Models.Device != "cpu") Assert.Inconclusive("Not on the CPU.");
        using var folder = TinyModels.Create();
        var available = Models.Engine().Estimate(Request(folder, TrainableWeights.None))!.Available;
        Assert.IsGreaterThanOrEqualTo(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, available);
    }

    [TestMethod]
    public void Load_WeightsThatDoNotFit_AreRefusedBeforeLoading()
    {
        using var model = new ModelOnDisk();
        var scarce = new Scarce(20 << 10);
        Assert.AreEqual($"memory for the weights of {model.Folder}: found 34.4 KiB; expected at most 20.0 KiB, what this process may use. "
            + "Set Int8Weights of the engine (21.9 KiB), or set Int4Weights of the engine (20.9 KiB), or use a smaller model.",
            Assert.ThrowsExactly<NlftException>(() => LocalModel.Load(model.Folder, new() { Engine = scarce })).Message);
        Assert.AreEqual(0, scarce.Loads);
    }

    [TestMethod]
    public void Training_ThatDoesNotFit_IsRefusedBeforeItsFirstStep()
    {
        using var folder = new ModelOnDisk();
        using var model = LocalModel.Load(folder.Folder, new() { Engine = new Scarce(150 << 10), Trainable = TrainableWeights.Lora });
        TrainingExample[] rows = [.. Enumerable.Repeat(new TrainingExample { Question = "2+3?", Response = "#### 5", Answer = "5" }, 4)];
        var refused = Assert.ThrowsExactly<NlftException>(() => new TrainingRun(model, rows, new LikelihoodObjective(), new() { BatchSize = 4 }));
        Assert.MatchesRegex(@"^memory to train 4 rows together, \d+ tokens$", refused.Subject);
        Assert.MatchesRegex(@"^To bring it down, set MicroBatchSize to 1 \(.* in all\), or cut long rows with PromptOptions.MaximumTokens, "
            + @"or set RecomputeActivations of the engine \(.* in all\), or set Int8Weights of the engine \(.* in all\), "
            + @"or set Int4Weights of the engine \(.* in all\)\.$", refused.Remedy);
    }

    private static TokenSequence[] Batch(int rows) => [.. Enumerable.Range(0, rows)
        .Select(row => new TokenSequence(Enumerable.Range(0, 384).Select(i => (i * 31 + row) % Wide.VocabularySize).ToArray(), promptLength: 2))];

    /// <summary>Measures three times, because others of the process, such as the compiler, allocate and free meanwhile.</summary>
    private static long Nearest(long expected, Func<long> measure) =>
        Enumerable.Range(0, 3).Select(_ => measure()).MinBy(bytes => Math.Abs(bytes - expected));

    private static MemoryRequest Request(ModelFolder folder, TrainableWeights trainable) => new()
    {
        Model = folder.Configuration, WeightBytes = 0, Trainable = trainable,
        Lora = trainable == TrainableWeights.Lora ? Lora : null,
    };

    private static void RequireMeasurement()
    {
        if (!OperatingSystem.IsLinux() || Models.Device != "cpu") Assert.Inconclusive("Measures the heap of glibc.");
    }

    /// <summary>The TorchSharp engine on a device with little memory.</summary>
    private sealed class Scarce(long available) : IModelEngine
    {
        private readonly TorchSharpEngine _engine = Models.Engine();

        public string Name => _engine.Name;

        public int Loads { get; private set; }

        public MemoryNeed? Estimate(MemoryRequest request) => _engine.Estimate(request)! with { Available = available };

        public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default)
        {
            Loads++;
            return _engine.Load(options, cancellationToken);
        }
    }
}
