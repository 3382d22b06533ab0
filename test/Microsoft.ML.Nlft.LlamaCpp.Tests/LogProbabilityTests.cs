using System.Text.Json;
using LLama;
using LLama.Native;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TestKit;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>llama.cpp and the managed engine compute the same from a file that the library wrote.</summary>
[TestClass]
public sealed class LogProbabilityTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow(GgufType.F32)]
    [DataRow(GgufType.F16)]
    [DataRow(GgufType.BF16)]
    [DataRow(GgufType.Q8_0)]
    [DataRow(GgufType.Q4_0)]
    public void Score_SampleModelOfEveryType_EqualsOurs(GgufType type)
    {
        using var folder = ModelFolder.Open(WrittenModel.Sample);
        Compare(WrittenModel.Write(folder, type, WrittenModel.RandomAdapter(folder.Configuration)), type);
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("llama")]
    [DataRow("llama-linear")]
    [DataRow("llama-llama3")]
    [DataRow("llama-tied-bf16-sharded")]
    [DataRow("llama-yarn")]
    [DataRow("qwen3")]
    [DataRow("granite")]
    [DataRow("olmo2")]
    [DataRow("mixtral")]
    [DataRow("phi")]
    [DataRow("gpt2")]
    [DataRow("gpt_neox")]
    public void Score_EveryArchitecture_EqualsTransformers(string name)
    {
        RequireGoldens();
        using var golden = new TransformersGolden(name);
        using var folder = ModelFolder.Open(TinyModels.WithTokenizer(golden.Folder.Path));
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F32));
        foreach (var (sequence, expected) in golden.Sequences) CheckSequence(theirs, sequence, expected, folder, name);
    }

    /// <summary>llama.cpp leaves out the windows of these and dynamic scaling: the file's context ends where they begin.</summary>
    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("mistral")]
    [DataRow("qwen2")]
    [DataRow("llama-dynamic")]
    public void Score_ModelWithALimitOfItsOwn_EqualsTransformersUpToTheContextOfTheFile(string name)
    {
        RequireGoldens();
        using var golden = new TransformersGolden(name);
        using var folder = ModelFolder.Open(TinyModels.WithTokenizer(golden.Folder.Path));
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F32));
        Assert.IsLessThan(golden.Sequences[1].Sequence.Tokens.Length, theirs.ContextLength, "the second sequence is longer");
        var within = golden.Sequences.Where(pair => pair.Sequence.Tokens.Length <= theirs.ContextLength).ToList();
        Assert.IsNotEmpty(within);
        foreach (var (sequence, expected) in within) CheckSequence(theirs, sequence, expected, folder, name);
    }

    private static readonly ModelConfiguration s_gemma = new()
    {
        ModelType = "gemma2", VocabularySize = 101, HiddenSize = 48, IntermediateSize = 80, LayerCount = 4, HeadCount = 3, KeyValueHeadCount = 1,
        HeadSize = 16, MaximumPositions = 128, SlidingWindows = [8, 0, 8, 0], Norms = NormPlacement.Both, NormKind = NormKind.RmsPlusOne,
        Activation = Activation.GeluTanh, EmbeddingMultiplier = Math.Sqrt(48), AttentionMultiplier = 0.25, AttentionSoftCap = 50, LogitsSoftCap = 30,
        TieWordEmbeddings = true, EndOfSequenceIds = [0],
    };

    private static readonly ModelConfiguration s_plain = new()
    {
        ModelType = "llama", VocabularySize = 101, HiddenSize = 48, IntermediateSize = 80, LayerCount = 3, HeadCount = 4, KeyValueHeadCount = 2,
        HeadSize = 12, MaximumPositions = 128, SlidingWindows = [0, 0, 0], EndOfSequenceIds = [0],
    };

    private static readonly ModelConfiguration s_layerNorm = s_plain with
    {
        KeyValueHeadCount = 4, NormKind = NormKind.Layer, Activation = Activation.GeluTanh, QkvBias = true, OutputBias = true, MlpBias = true,
    };

    private static readonly RopeConfiguration s_long = new()
    {
        Type = "longrope", Factor = 2, OriginalMaximumPositions = 512, ShortFactors = [1, 1.1, 1.2, 1.3, 1.4, 1.5],
        LongFactors = [1, 2, 3, 5, 8, 9],
    };

    /// <summary>Settings that the golden models do not have, and architectures whose golden models have some that llama.cpp does not know.</summary>
    public static IEnumerable<object[]> Generated =>
    [
        [
            "mixtral, many experts",
            s_plain with { ModelType = "mixtral", Experts = new() { Count = 9, PerToken = 3, IntermediateSize = 80 }, TieWordEmbeddings = true },
        ],
        ["mixtral, one of two", s_plain with { ModelType = "mixtral", Experts = new() { Count = 2, PerToken = 1, IntermediateSize = 80 } }],
        [
            "qwen3_moe",
            s_plain with { ModelType = "qwen3_moe", QueryKeyNorm = true, Experts = new() { Count = 6, PerToken = 2, IntermediateSize = 20 } },
        ],
        [
            "qwen3_moe, wide heads",
            s_plain with
            {
                ModelType = "qwen3_moe", QueryKeyNorm = true, HeadSize = 20, Experts = new() { Count = 4, PerToken = 4, IntermediateSize = 28 },
            },
        ],
        ["phi3", s_plain with { ModelType = "phi3" }],
        ["phi3, partial", s_plain with { ModelType = "phi3", HeadCount = 6, HeadSize = 8, Rope = new() { RotatedShare = 0.5 } }],
        ["phi3, short", s_plain with { ModelType = "phi3", MaximumPositions = 1024, Rope = s_long }],
        ["phi3, long", s_plain with { ModelType = "phi3", MaximumPositions = 64, Rope = s_long with { OriginalMaximumPositions = 32 } }],
        [
            "phi3, own factor",
            s_plain with { ModelType = "phi3", MaximumPositions = 64, Rope = s_long with { OriginalMaximumPositions = 32, AttentionFactor = 1.3 } },
        ],
        ["phi", s_layerNorm with { ModelType = "phi", ParallelResidual = true, Rope = new() { RotatedShare = 0.5 } }],
        [
            "phi, grouped",
            s_layerNorm with { ModelType = "phi", KeyValueHeadCount = 1, ParallelResidual = true, Rope = new() { RotatedShare = 1 } },
        ],
        ["gpt_neox", s_layerNorm with { ModelType = "gpt_neox", ParallelResidual = true, Rope = new() { RotatedShare = 0.5 } }],
        ["gpt_neox, sequential", s_layerNorm with { ModelType = "gpt_neox", HeadCount = 3, KeyValueHeadCount = 3, HeadSize = 16 }],
        ["gpt2", s_layerNorm with { ModelType = "gpt2", TieWordEmbeddings = true }],
        [
            "gpt2, own output layer",
            s_layerNorm with { ModelType = "gpt2", IntermediateSize = 192, HeadCount = 2, KeyValueHeadCount = 2, HeadSize = 24 },
        ],
        ["gemma2", s_gemma],
        [
            "gemma3",
            s_gemma with
            {
                ModelType = "gemma3_text", LayerCount = 6, SlidingWindows = [8, 8, 8, 8, 8, 0], QueryKeyNorm = true, AttentionSoftCap = null,
                LogitsSoftCap = null, Rope = new() { Theta = 1e6 }, SlidingRope = new(),
            },
        ],
        [
            "smollm3",
            new ModelConfiguration
            {
                ModelType = "smollm3", VocabularySize = 101, HiddenSize = 48, IntermediateSize = 80, LayerCount = 4, HeadCount = 4,
                KeyValueHeadCount = 2, HeadSize = 12, MaximumPositions = 128, SlidingWindows = [0, 0, 0, 0],
                RotatedLayers = [true, true, true, false], TieWordEmbeddings = true, EndOfSequenceIds = [0],
            },
        ],
    ];

    [TestMethod]
    [DynamicData(nameof(Generated))]
    public void Score_GeneratedModel_EqualsOurs(string name, ModelConfiguration configuration)
    {
        using var folder = WrittenModel.Generate(configuration);
        CompareGenerated(WrittenModel.Write(folder, GgufType.F32), folder.Path, RoundingBound.TypeOf(folder.Configuration), configuration, name);
    }

    /// <summary>The rows of the sample model are too short for blocks of 256 values.</summary>
    [TestMethod]
    [DataRow(GgufType.Q6_K)]
    [DataRow(GgufType.Q4_K)]
    public void Score_ModelOfWideRows_EqualsOurs(GgufType type)
    {
        var configuration = s_plain with { HiddenSize = 256, IntermediateSize = 512, HeadSize = 64 };
        using var folder = WrittenModel.Generate(configuration);
        var path = WrittenModel.Write(folder, type);
        CompareGenerated(path, path, type, configuration, $"{type}");
    }

    /// <summary>Types that are read and not written: the managed engine keeps their blocks in memory.</summary>
    [TestMethod]
    [DataRow(LLamaFtype.MOSTLY_IQ4_NL, GgufType.IQ4_NL)]
    [DataRow(LLamaFtype.MOSTLY_IQ4_XS, GgufType.IQ4_XS)]
    [DataRow(LLamaFtype.MOSTLY_Q5_K_S, GgufType.Q5_K)]
    [DataRow(LLamaFtype.MOSTLY_Q3_K_S, GgufType.Q3_K)]
    [DataRow(LLamaFtype.MOSTLY_Q5_1, GgufType.Q5_1)]
    public void Score_FileThatLlamaCppQuantised_EqualsOurs(LLamaFtype fileType, GgufType type)
    {
        NativeLibrary.Require();
        var configuration = s_plain with { HiddenSize = 256, IntermediateSize = 512, HeadSize = 64 };
        using var folder = WrittenModel.Generate(configuration);
        var path = Path.Combine(TinyModels.NewFolder(), "theirs.gguf");
        Assert.IsTrue(LLamaQuantizer.Quantize(WrittenModel.Write(folder, GgufType.F32), path, fileType));
        using var quantised = ModelFolder.Open(path);
        var (stored, bytes, held) = quantised.StoredAs("model.layers.1.mlp.up_proj.weight");
        Assert.AreEqual($"{type}", stored);
        Assert.IsTrue(held > bytes && held < 512 * 256 * sizeof(float) / 3, $"{held} bytes in memory, {bytes} in the file");
        CompareGenerated(path, path, type, configuration, $"{type}");
    }

    private void CompareGenerated(string path, string ours, GgufType type, ModelConfiguration configuration, string what)
    {
        using var theirs = new LlamaCppModel(path);
        var sequence = new TokenSequence(WrittenModel.Tokens(40), 1);
        var (scores, logits) = theirs.Score(sequence.Tokens.Span, 1);
        Check(WrittenModel.Distance(WrittenModel.Score(ours, sequence), scores), RoundingBound.Of(type, configuration, logits), what);
    }

    /// <summary>The real model, read from its GGUF file and written anew, within the tolerance of the golden values for float32.</summary>
    [TestMethod]
    [TestCategory("Slow")]
    [TestCategory("Conformance")]
    public void Score_SmolLm2_EqualsTransformers()
    {
        using var folder = WrittenModel.OpenSmolLm2();
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F32));
        using var golden = Fixtures.Json("golden", "smollm2", "expected.json");
        foreach (var expected in golden.RootElement.GetProperty("sequences").EnumerateArray())
        {
            var sequence = TransformersGolden.SequenceOf(expected);
            var (scores, _) = theirs.Score(sequence.Tokens.Span, sequence.PromptLength);
            Check(expected.Doubles("log_probs").Zip(scores, (a, b) => Math.Abs(a - b)).Max(), 1e-3, $"{scores.Length} tokens");
        }
    }

    private void CheckSequence(LlamaCppModel theirs, TokenSequence sequence, JsonElement expected, ModelFolder folder, string what)
    {
        var (scores, logits) = theirs.Score(sequence.Tokens.Span, sequence.PromptLength);
        var bound = RoundingBound.Of(RoundingBound.TypeOf(folder.Configuration), folder.Configuration, logits);
        Check(WrittenModel.Distance(expected.Doubles("log_probs"), scores), bound, what);
    }

    private void Compare(string path, GgufType type)
    {
        using var ours = LocalModel.Load(path);
        using var theirs = new LlamaCppModel(path);
        var ids = ours.Prompts.EncodeQuestion(WrittenModel.Question, instruction: null);
        var (scores, logits) = theirs.Score(ids, 1);
        var distance = WrittenModel.Distance(WrittenModel.Score(path, new(ids, 1)), scores);
        Check(distance, RoundingBound.Of(type, ours.Folder.Configuration, logits), $"{type}");
    }

    private void Check(double distance, double bound, string what)
    {
        TestContext.WriteLine($"{what}: {distance:G3}, bound {bound:G3}");
        Assert.IsLessThan(bound, distance, what);
    }

    private static void RequireGoldens()
    {
        if (!Directory.Exists(Fixtures.Path_("golden", "transformers"))) Assert.Inconclusive("the shared test data are not there");
    }
}
