using System.Text.Json;
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
    public void Score_EveryArchitecture_EqualsTransformers(string name)
    {
        RequireGoldens();
        using var golden = new TransformersGolden(name);
        using var folder = ModelFolder.Open(WrittenModel.WithTokenizer(golden.Folder.Path));
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
        using var folder = ModelFolder.Open(WrittenModel.WithTokenizer(golden.Folder.Path));
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

    /// <summary>Architectures whose golden models have settings that llama.cpp does not compute.</summary>
    public static IEnumerable<object[]> Generated =>
    [
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
        using var fresh = TinyModels.Create(3, configuration);
        var random = new Random(4);
        using var spread = TinyModels.Rewrite(fresh, TensorType.F32, (_, values, columns) => // as initialised, all tokens are about equally likely
            Array.ConvertAll(values, value => columns == values.Length ? value + random.NextSingle() - 0.5f : value * 8));
        using var folder = ModelFolder.Open(WrittenModel.WithTokenizer(spread.Path));
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F32));
        var sequence = new TokenSequence(Enumerable.Range(0, 40).Select(i => i * 37 % 100 + 1).ToArray(), 1);
        var (scores, logits) = theirs.Score(sequence.Tokens.Span, 1);
        var distance = WrittenModel.Distance(WrittenModel.Score(folder.Path, sequence), scores);
        Check(distance, RoundingBound.Of(TypeOf(folder), configuration, logits), name);
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
        Check(WrittenModel.Distance(expected.Doubles("log_probs"), scores), RoundingBound.Of(TypeOf(folder), folder.Configuration, logits), what);
    }

    /// <summary>The type that llama.cpp rounds to for float32 weights: it looks GELU up in a table of float16.</summary>
    private static GgufType TypeOf(ModelFolder folder) => folder.Configuration.Activation == Activation.GeluTanh ? GgufType.F16 : GgufType.F32;

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
