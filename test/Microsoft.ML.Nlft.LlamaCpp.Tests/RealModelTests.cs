using System.Diagnostics;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.TestKit;
using RealModel;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>samples/RealModel, run as its users run it, and the parts of its comparisons.</summary>
[TestClass]
public sealed class RealModelTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [TestCategory("Slow")]
    [TestCategory("Conformance")]
    public void Run_FewQuestions_PrintsTheTableAndTheSameTexts()
    {
        NativeLibrary.Require();
        WrittenModel.OpenSmolLm2().Dispose();
        var (exitCode, output) = Run("--questions", "8", "--maximum-new-tokens", "24");
        TestContext.WriteLine(output);
        Assert.AreEqual(0, exitCode);
        foreach (var name in (string[])["base model", "SFT, 8 solutions", "NLFT, 8 judged answers"])
            Assert.MatchesRegex($@"(?m)^{name} +\d+\.\d % \[", output);
        Assert.Contains("On 16 unseen questions;", output);
        Assert.Contains(" of 5 texts are the same", output);
        Assert.MatchesRegex(@"Peak memory \d+ MiB\.\s*$", output);
    }

    [TestMethod]
    public void Run_ModelIsMissing_IsSkippedWithOneLine()
    {
        var path = Path.Combine(TinyModels.NewFolder(), "no.gguf");
        Assert.AreEqual((0, $"Skipped: there is no {path}; name a model with --model.\n"), Run("--model", path));
    }

    [TestMethod]
    [DataRow(new[] { "--questions", "0" }, "--questions: found 0; expected a whole number, 4 or more. Leave it out for the default.")]
    [DataRow(new[] { "--questions", "many" }, "--questions: found many; expected a whole number, 4 or more. Leave it out for the default.")]
    [DataRow(new[] { "--maximum-new-tokens" },
        "--maximum-new-tokens: found nothing; expected a whole number, 1 or more. Leave it out for the default.")]
    [DataRow(new[] { "--model" }, "--model: found nothing; expected a GGUF file or a model folder. Name the model after it.")]
    [DataRow(new[] { "--epochs", "3" }, "the arguments: found --epochs; expected --model, --questions or --maximum-new-tokens. Leave it out.")]
    public void Arguments_OutOfRange_AreRefused(string[] arguments, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => Arguments.Read(arguments, "data")).Message);

    [TestMethod]
    [DataRow(0.3, 0.1, 100)]
    [DataRow(0.1, 0.1, 100)]
    [DataRow(0.02, 0.2, 200)]
    [DataRow(0.05, 0.0, 200)]
    [DataRow(0.5, 0.4, 50)]
    public void PairedDifference_ManySamples_CoversTheTrueDifferenceInNineteenOfTwenty(double onlyOne, double onlyOther, int questions)
    {
        const int samples = 2000;
        var random = new Random(7);
        var covered = 0;
        for (var sample = 0; sample < samples; sample++)
        {
            var draws = Array.ConvertAll(new double[questions], _ => random.NextDouble());
            var interval = PairedDifference.Of(Evaluate(draws, draw => draw < onlyOne), Evaluate(draws, draw => draw >= 1 - onlyOther));
            if (interval.Lower <= onlyOne - onlyOther && onlyOne - onlyOther <= interval.Upper) covered++;
        }
        Assert.IsInRange(0.935 * samples, samples, covered); // three standard errors below 0.95
    }

    [TestMethod]
    [DataRow(new[] { 4, 8, 2 }, -1)]
    [DataRow(new[] { 5, 8, 2 }, 0)]
    [DataRow(new[] { 4, 8, 3 }, 2)]
    [DataRow(new[] { 4, 8 }, 2)]
    [DataRow(new[] { 4, 8, 2, 1 }, 3)]
    public void FirstDifference_AnswersOfTokens_IsTheFirstPlace(int[] tokens, int expected)
    {
        GreedyStep[] steps = [new(4, 5, 1), new(8, 5, 1), new(2, 3, 1)];
        Assert.AreEqual(expected, TextComparison.FirstDifference(tokens, steps));
    }

    [TestMethod]
    [DataRow(3, 0.9f, true)]
    [DataRow(3, 0f, true)]
    [DataRow(3, 1.1f, false)]
    [DataRow(9, 0.1f, false)] // neither of the two likeliest
    [DataRow(2, 0.1f, false)] // no difference at all
    public void IsNearTie_OurToken_IsTheSecondAndClose(int ours, float margins, bool expected) =>
        Assert.AreEqual(expected, TextComparison.IsNearTie(ours, new(2, 3, margins * TextComparison.NearTie)));

    private static EvaluationResult Evaluate(double[] draws, Func<double, bool> isRight) =>
        ExactMatchEvaluator.Evaluate(Array.ConvertAll(draws, draw => isRight(draw) ? "1" : "0"), Array.ConvertAll(draws, _ => "1"));

    /// <summary>Runs the sample as a process with a folder of its own for temporary files.</summary>
    private static (int ExitCode, string Output) Run(params string[] arguments)
    {
        var temporary = TinyModels.NewFolder();
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "RealModel.dll"), .. arguments])
        {
            RedirectStandardOutput = true, Environment = { ["TMPDIR"] = temporary, ["TMP"] = temporary, ["NLFT_FIXTURES"] = Fixtures.Root },
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd().ReplaceLineEndings("\n");
        process.WaitForExit();
        Directory.Delete(temporary, recursive: true);
        return (process.ExitCode, output);
    }
}
