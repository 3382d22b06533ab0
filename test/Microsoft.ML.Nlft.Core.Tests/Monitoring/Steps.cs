using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

/// <summary>Artificial runs.</summary>
internal static class Steps
{
    public static RunDescription Run => new()
    {
        Model = "tiny", Method = "NLFT", Rows = 25, Options =
            [new ModelCardOption("Training", "Epochs", "10"), new ModelCardOption("Prompts", "BaseUser", "\"a|b\nc\"")],
    };

    /// <summary>An evaluation after a step; with answers, one of two is right.</summary>
    public static ValidationReport Evaluation(int step, bool answers = true) => new()
    {
        Step = step, Epoch = step / 5.0, Loss = 2.0 / (step + 1), IsBest = step > 0, Correct = answers ? 1 : null, Answered = answers ? 2 : 0,
        Samples = !answers ? [] : [new("1 + 1?", "2", "#### 2", AnswerOutcome.Correct), new("2 +\n2?", "4", "a | b", AnswerOutcome.Wrong)],
    };

    public static TrainingProgress At(int step, int total = 20) => new()
    {
        Step = step, TotalSteps = total, Epoch = step / 5.0, Loss = 1.0 / step, TokenAccuracy = 0.5 + step / 100.0, SalientShare = 0.02,
        GradientNorm = 3, LearningRate = 1e-4,
        TokensSeen = 1000L * step, TokensPerSecond = 1234.5, Elapsed = TimeSpan.FromSeconds(step),
        Remaining = TimeSpan.FromSeconds(total - step + 3700),
    };
}
