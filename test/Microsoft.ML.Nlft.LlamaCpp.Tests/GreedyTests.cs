using Microsoft.ML.Nlft.ModelFiles;
using RealModel;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>llama.cpp continues a prompt as the managed engine does.</summary>
[TestClass]
public sealed class GreedyTests
{
    private const int Length = 200;
    private const float NearTie = 2e-3f; // distance of the two largest logits below which rounding may decide; F16 rounds what it multiplies

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow(GgufType.F32)]
    [DataRow(GgufType.F16)]
    public void Greedy_SampleModel_EqualsOurs(GgufType type)
    {
        using var folder = ModelFolder.Open(WrittenModel.Sample);
        var path = WrittenModel.Write(folder, type, WrittenModel.RandomAdapter(folder.Configuration));
        CompareContinuations(path, [WrittenModel.Question, "What is 8 + 5?", "Ben buys 3 boxes of 12 pens. How many pens does he have?"]);
    }

    /// <summary>The real model, read from its GGUF file of type Q4_1 and written anew.</summary>
    [TestMethod]
    [TestCategory("Slow")]
    [TestCategory("Conformance")]
    [DataRow(GgufType.F32)]
    [DataRow(GgufType.F16)]
    public void Greedy_SmolLm2_EqualsOurs(GgufType type)
    {
        using var folder = WrittenModel.OpenSmolLm2();
        CompareContinuations(WrittenModel.Write(folder, type),
        [
            "What is the capital of France?", "Write a short story about a robot that learns to paint.",
            "A train travels 60 km in 45 minutes. How fast is it?",
        ]);
    }

    /// <summary>Every architecture that the sample and the real model do not have.</summary>
    [TestMethod]
    [DynamicData(nameof(LogProbabilityTests.Generated), typeof(LogProbabilityTests))]
    public void Greedy_GeneratedModel_EqualsOurs(string name, ModelConfiguration configuration)
    {
        using var folder = WrittenModel.Generate(configuration);
        var path = WrittenModel.Write(folder, GgufType.F32);
        using var ours = LocalModel.Load(path);
        using var theirs = new LlamaCppModel(path);
        // One sequence of phi3 has the divisors of its whole length here, those of the context in llama.cpp: it begins long.
        Compare(ours, theirs, WrittenModel.Tokens(34), Math.Min(Length, folder.Configuration.MaximumPositions - 34), name);
    }

    private void CompareContinuations(string path, string[] questions)
    {
        using var ours = LocalModel.Load(path);
        using var theirs = new LlamaCppModel(path);
        foreach (var question in questions) Compare(ours, theirs, ours.Prompts.EncodeQuestion(question, instruction: null), Length, question);
    }

    private void Compare(LocalModel ours, LlamaCppModel theirs, int[] prompt, int length, string what)
    {
        var expected = theirs.Greedy(prompt, length);
        using var session = ours.Network.StartDecoding([prompt], length);
        var step = 0;
        for (; step < length; step++)
        {
            var (token, _, margin) = LlamaSharpModel.Best(session.Logits(0));
            if (token != expected[step].Token)
            {
                Assert.IsLessThan(NearTie, margin, $"{what}: token {step} is {token} here, {expected[step].Token} in llama.cpp");
                break;
            }
            if (step < length - 1) session.Append([token]);
        }
        var closest = expected.Min(best => best.Margin);
        TestContext.WriteLine($"{what}: {step} tokens are equal, the two largest logits never closer than {closest:G3}");
        Assert.IsGreaterThan(0, step);
    }
}
