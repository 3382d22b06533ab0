using Microsoft.ML.Nlft.Recipes;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>--recipe sets objective and options, over which the options file and the flags count.</summary>
[TestClass]
public sealed class RecipeTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public RecipeTests() => _tool.WriteRows();

    public void Dispose() => _tool.Dispose();

    [TestMethod]
    [DataRow("published", "NLFT", 3)]
    [DataRow("judged-responses", "CUT", 3)]
    [DataRow("judged-solutions", "CUT", 6)]
    public void Train_Recipe_SetsWhatNoFlagSays(string name, string objective, int rows)
    {
        _tool.Write("options.json", """{"FineTune": {"WarmupRatio": 0.5}}""");
        _tool.Succeed($"train --model MODEL --data rows.csv --output out --recipe {name} --maximum-steps 2 --options options.json");

        var card = File.ReadAllText(_tool.PathOf("out/README.md"));
        Assert.Contains($"{objective}: 3 rows", _tool.Error);
        Assert.MatchesRegex($@"\b{rows} rows\b", card);
        var written = new ToolOptions();
        OptionsFile.Read(_tool.PathOf("out/nlft-options.json"), written);
        Assert.AreEqual(Recipe.Of(name).Training with { MaximumSteps = 2, WarmupRatio = 0.5 }, written.FineTune with
        {
            RecordedRows = Recipe.Of(name).Training.RecordedRows, // a list, which is compared as an object
        });
    }

    [TestMethod]
    public void Rounds_Recipe_SetsRoundsAndTrainsOnTheAnswers()
    {
        _tool.Succeed("rounds --model MODEL --data rows.csv --output out --recipe rejection-sampling --rounds 2 --maximum-new-tokens 4");
        Assert.Contains("SFT: 3 questions, 2 rounds of 10 steps", _tool.Error);
        Assert.MatchesRegex("round 2: 0 of 12 responses right, .*; 3 rows, 10 steps", _tool.Error);
    }

    [TestMethod]
    [DataRow("train", "--recipe published --method nlft", "--recipe names its method itself: leave --method out.")]
    [DataRow("train", "--recipe judged-solutions --objective-scale 2",
        "--objective-scale: found it with --recipe judged-solutions, which has no such option. Leave it out, or name its method.")]
    [DataRow("train", "--method cut --objective-scale 2", "--objective-scale: found it with --method cut, which has no such option.")]
    [DataRow("train", "--method nlft --distillation-alpha 0.5", "--distillation-alpha: found it with --method nlft, which has no such option.")]
    [DataRow("rounds", "--method sft --distillation-alpha 0.5", "--distillation-alpha: found it with --method sft, which has no such option.")]
    [DataRow("train", "--recipe rejection-sampling", "Must be one of:")]
    [DataRow("train", "--method dpo --objective-scale 2", "Must be one of:")]
    [DataRow("train", "--weights some --adapter a", "Must be one of:")]
    [DataRow("rounds", "--recipe published", "Must be one of:")]
    [DataRow("train", "--live-runs runs", "--live-runs has no effect without --live: give both or neither.")]
    [DataRow("train", "--experiment night", "--experiment has no effect without --mlflow: give both or neither.")]
    [DataRow("train", "--map-rows 3", "--map-rows has no effect without --map or --live: give both or neither.")]
    public void Run_WhatDoesNotFit_IsRefused(string command, string flags, string message)
    {
        Assert.AreEqual(ExitCode.Usage, _tool.Run($"{command} --model MODEL --data rows.csv --output out {flags}"));
        Assert.Contains(message, _tool.Error);
    }
}
