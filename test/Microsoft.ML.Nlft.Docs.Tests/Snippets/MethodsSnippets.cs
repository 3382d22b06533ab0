using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Recipes;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/methods.md shows.</summary>
[TestClass]
public sealed class MethodsSnippets : Workplace
{
    [TestMethod]
    public void MethodsPage_Recipe_Runs()
    {
        var mlContext = new MLContext(seed: 42);
        var rows = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
        #region recipe
        using var solved = mlContext.Nlft().Trainers.NaturalLanguageFineTune(
            new NaturalLanguageFineTuneTrainer.Options(Recipe.JudgedSolutions) { ModelFolder = "model" }).Fit(rows);
        #endregion
        Assert.AreEqual("CUT", solved.Card.Method);
    }

    /// <summary>The page has every recipe.</summary>
    [TestMethod]
    public void MethodsPage_Recipes_AreAllOfThem()
    {
        var page = File.ReadAllText(Path.Combine(Pages.Root, "docs", "methods.md"));
        foreach (var recipe in Recipe.All) Assert.Contains($"| `{recipe.Name}` | ", page);
    }

    [TestMethod]
    public void MethodsPage_AnotherObjective_Runs()
    {
        var mlContext = new MLContext(seed: 42);
        #region objective
        var trainer = mlContext.Nlft().Trainers.NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
        {
            ModelFolder = "model",
            TokenObjective = new SelfDistillationObjective(new() { Alpha = 1, TopTokens = 20 }),
            Training = new() { Epochs = 1, LearningRate = 1e-3 },
        });
        #endregion
        using var model = trainer.Fit(mlContext.Nlft().LoadFromJsonLines("rows.jsonl"));
        Assert.AreEqual("self-distillation", model.Card.Method);
        Assert.Contains(option => option is { Group: "Training", Name: "Refresh", Value: "Once" }, model.Card.Options);
    }

    [TestMethod]
    public void MethodsPage_Rounds_Run()
    {
        var mlContext = new MLContext(seed: 42);
        var questions = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
        #region rounds
        using var practised = mlContext.Nlft().Trainers.OnPolicyFineTune(new OnPolicyFineTuneTrainer.Options
        {
            ModelFolder = "model",
            Rounds = new() { Rounds = 2, StepsPerRound = 5, Generation = new() { Temperature = 1, MaximumNewTokens = 64 }, Folder = "rounds" },
            Training = new() { LearningRate = 1e-3 },
        }).Fit(questions);
        #endregion
        Assert.HasCount(5, practised.Training!.Steps);
        Assert.AreEqual("NLFT in 2 rounds", practised.Card.Method);
        Assert.IsTrue(File.Exists(Path.Combine("rounds", "round-0002", "round.json")));
    }

    [TestMethod]
    public void MethodsPage_Reinforced_Runs()
    {
        var mlContext = new MLContext(seed: 42);
        var solutions = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
        #region reinforced
        using var reinforced = mlContext.Nlft().Trainers.ReinforcedFineTune(new ReinforcedFineTuneTrainer.Options
        {
            ModelFolder = "model",
            Reinforcement = new()
            {
                WarmUp = new() { Epochs = 1, LearningRate = 1e-3 }, Epochs = 1, LearningRate = 1e-4,
                Generation = new() { Temperature = 1, MaximumNewTokens = 64 }, Folder = "reft",
            },
        }).Fit(solutions);
        #endregion
        Assert.AreEqual("ReFT", reinforced.Card.Method);
        Assert.IsTrue(File.Exists(Path.Combine("reft", "reinforced.safetensors")));
    }

    /// <summary>The passes of the page's table are those that the objectives ask for.</summary>
    [TestMethod]
    public void MethodsPage_Passes_AreThoseOfTheObjectives()
    {
        var objectives = new Dictionary<string, ITokenObjective>
        {
            ["sft"] = new LikelihoodObjective(), ["dft"] = new DynamicObjective(), ["eaft"] = new EntropyAdaptiveObjective(),
            ["profit"] = new ProbabilityGuidedObjective(), ["nlft"] = new NaturalLanguageObjective(),
            ["cut"] = new ContrastiveUnlikelihoodObjective(), ["self-distillation"] = new SelfDistillationObjective(),
        };
        var page = File.ReadAllText(Path.Combine(Pages.Root, "docs", "methods.md"));
        foreach (var (name, objective) in objectives)
        {
            int Passes(Polarity polarity, bool trained)
            {
                var all = objective.ScoredContexts(polarity);
                var contexts = trained ? objective.TrainedContexts(polarity) : all & ~objective.TrainedContexts(polarity);
                return System.Numerics.BitOperations.PopCount((uint)contexts);
            }
            string Cell(bool trained) => $"{Passes(Polarity.Incorrect, trained)} ({Passes(Polarity.Correct, trained)})";
            var row = page.Split('\n').Single(line => line.StartsWith($"| `{name}` |", StringComparison.Ordinal))
                .Split('|', StringSplitOptions.TrimEntries);
            Assert.AreEqual(Cell(trained: false), row[3], $"{name}, scored");
            Assert.AreEqual(Cell(trained: true), row[4], $"{name}, trained");
        }
    }
}
