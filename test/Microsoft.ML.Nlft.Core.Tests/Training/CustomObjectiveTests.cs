using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>An objective from outside the library is trained with, saved, resumed and described like the library's own.</summary>
[TestClass]
public sealed class CustomObjectiveTests
{
    private readonly SmallRun _run = new();

    private FineTuneOptions Options => new()
    {
        Epochs = 3, BatchSize = 4, LearningRate = 5e-3, CheckpointFolder = _run.Checkpoints, CheckpointSteps = 2, ResumeFrom = _run.Checkpoints,
    };

    [TestCleanup]
    public void Clean() => _run.Dispose();

    [TestMethod]
    public void Run_CustomObjective_TrainsAndResumesToTheBit()
    {
        using var whole = _run.Load();
        var expected = SmallRun.Run(whole, Options with { CheckpointFolder = null, ResumeFrom = null },
            objective: new FocalObjective(new() { Gamma = 2 }));
        using (var stopped = _run.Load())
        {
            using var source = new CancellationTokenSource();
            var options = Options with { ReturnPartialOnCancel = true };
            SmallRun.Run(stopped, options, step => { if (step.Step == 3) source.Cancel(); }, new FocalObjective(new() { Gamma = 2 }),
                cancellation: source.Token);
        }
        using var model = _run.Load();
        var result = SmallRun.Run(model, Options, objective: new FocalObjective(new() { Gamma = 2 }));
        Assert.AreEqual(3, result.ResumedSteps);
        CollectionAssert.AreEqual(expected.Steps.Select(step => step.Loss).ToArray(), result.Steps.Select(step => step.Loss).ToArray());
        CollectionAssert.AreEqual(SmallRun.State(whole), SmallRun.State(model));
    }

    [TestMethod]
    public void Run_ResumedWithAnotherOptionOfTheObjective_IsRefused()
    {
        using var model = _run.Load();
        SmallRun.Run(model, Options with { Epochs = 1 }, objective: new FocalObjective(new() { Gamma = 2 }));
        var message = _run.Folder.Refusal(() => SmallRun.Run(model, Options with { Epochs = 1 },
            objective: new FocalObjective(new() { Gamma = 1, Unit = "nat" })));
        StringAssert.Contains(message, "found another run (Objective.Gamma 2 there, 1 here; Objective.Unit \"bit\" there, \"nat\" here)");
        SmallRun.Run(model, Options with { Epochs = 1 }, objective: new FocalObjective(new() { Gamma = 2 })); // the same goes on
    }

    [TestMethod]
    public void Card_CustomObjective_PrintsItsOptions()
    {
        using var model = _run.Load();
        var run = new TrainingRun(model, SmallRun.Rows(), new FocalObjective(new() { Gamma = 0.5 }), new() { Epochs = 1 });
        var card = run.Card(run.Run());
        CollectionAssert.AreEqual(new[] { new ModelCardOption("Objective", "Gamma", "0.5"), new ModelCardOption("Objective", "Unit", "\"bit\"") },
            card.Options.Where(option => option.Group == "Objective").ToArray());
        StringAssert.Contains(card.ToMarkdown(ModelCardKind.Adapter), "| `Gamma` | `0.5` |");
        Assert.AreEqual("focal", card.Method);
        Assert.IsNull(run.SaliencyMap(new FineTuneResult([], false)), "it has no thresholds to show");
    }

    private sealed record FocalOptions
    {
        public double Gamma { get; init; } = 1;

        public string Unit { get; init; } = "bit";
    }

    /// <summary>
    /// The likelihood with less weight on tokens that are likely already: w = (1 - p)^gamma, constant in the gradient (arXiv 1708.02002).
    /// </summary>
    private sealed class FocalObjective(FocalOptions options) : ITokenObjective
    {
        public string Name => "focal";

        public IReadOnlyList<KeyValuePair<string, string>> Settings => ObjectiveSettings.Of(options);

        public PromptContexts ScoredContexts(Polarity polarity) => PromptContexts.Base;

        public PromptContexts TrainedContexts(Polarity polarity) => PromptContexts.Base;

        public bool NeedsHiddenStates(Polarity polarity) => false;

        public TokenObjectiveResult Evaluate(ExampleScores scores)
        {
            var weights = Array.ConvertAll(scores.Base, logP => Math.Pow(1 - Math.Exp(logP), options.Gamma));
            var coefficients = Array.ConvertAll(weights, weight => weight / weights.Length);
            return new TokenObjectiveResult
            {
                Loss = -coefficients.Zip(scores.Base, (c, logP) => c * logP).Sum(),
                Coefficients = coefficients,
                Tokens = [.. coefficients.Select((c, t) => new TokenSaliency(TokenRole.Ordinary, weights[t], c))],
            };
        }
    }
}
