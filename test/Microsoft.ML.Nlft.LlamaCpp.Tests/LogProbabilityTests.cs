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
    [DataRow("qwen2")]
    [DataRow("qwen3")]
    [DataRow("granite")]
    [DataRow("smollm3")]
    [DataRow("olmo2")]
    [DataRow("gemma2")]
    [DataRow("gemma3_text")]
    public void Score_EveryArchitecture_EqualsTransformers(string name)
    {
        RequireGoldens();
        using var golden = new TransformersGolden(name);
        using var folder = ModelFolder.Open(WrittenModel.WithTokenizer(golden.Folder.Path));
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F32));
        foreach (var (sequence, expected) in golden.Sequences)
            CheckSequence(theirs, sequence, expected.GetProperty("log_probs").Doubles(), folder, name);
    }

    /// <summary>llama.cpp leaves out Mistral's window and dynamic scaling: the file's context ends where they begin.</summary>
    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("mistral")]
    [DataRow("llama-dynamic")]
    public void Score_ModelWithALimitOfItsOwn_EqualsTransformersUpToTheContextOfTheFile(string name)
    {
        RequireGoldens();
        using var golden = new TransformersGolden(name);
        using var folder = ModelFolder.Open(WrittenModel.WithTokenizer(golden.Folder.Path));
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F32));
        var limit = int.Parse(theirs.Metadata("llama.context_length")!, null);
        Assert.IsLessThan(golden.Sequences[1].Sequence.Tokens.Length, limit, "the second sequence is longer");
        var count = 0;
        foreach (var (sequence, expected) in golden.Sequences)
        {
            var length = Math.Min(limit, sequence.Tokens.Length);
            if (length <= sequence.PromptLength) continue;
            CheckSequence(theirs, new(sequence.Tokens[..length], sequence.PromptLength),
                [.. expected.GetProperty("log_probs").Doubles().Take(length - sequence.PromptLength)], folder, name);
            count++;
        }
        Assert.IsGreaterThan(1, count);
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
            Check(expected.GetProperty("log_probs").Doubles().Zip(scores, (a, b) => Math.Abs(a - b)).Max(), 1e-3, $"{scores.Length} tokens");
        }
    }

    private void CheckSequence(LlamaCppModel theirs, TokenSequence sequence, double[] expected, ModelFolder folder, string what)
    {
        var (scores, largest) = theirs.Score(sequence.Tokens.Span, sequence.PromptLength);
        var distance = expected.Zip(scores, (a, b) => Math.Abs(a - b)).Max();
        var isGelu = folder.Configuration.Activation == Activation.GeluTanh; // which llama.cpp looks up in a table of float16
        Check(distance, RoundingBound.Of(isGelu ? GgufType.F16 : GgufType.F32, folder.Configuration, largest), what);
    }

    private void Compare(string path, GgufType type)
    {
        using var ours = LocalModel.Load(path);
        using var theirs = new LlamaCppModel(path);
        var ids = ours.Prompts.EncodeQuestion(WrittenModel.Question, instruction: null);
        var sequence = new TokenSequence(ids, 1);
        var (scores, largest) = theirs.Score(ids, 1);
        Check(WrittenModel.Distance(ours.Network.Score([sequence])[0].LogProbabilities, scores),
            RoundingBound.Of(type, ours.Folder.Configuration, largest), $"{type}");
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
