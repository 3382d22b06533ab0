using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Training;

/// <summary>The figure of a <see cref="ValidationReport"/> that decides which evaluation is the best.</summary>
public enum ValidationMeasure
{
    /// <summary>The objective's loss on the held-out rows; lower is better.</summary>
    Loss,

    /// <summary>The share of held-out questions that the model answers correctly; higher is better, and of equal ones the lower loss.</summary>
    Accuracy,
}

/// <summary>
/// Options of validation: which rows are held out, how often and how they are evaluated, which weights the run returns, and when it stops early. They
/// have an effect only when there are held-out rows: given to the run, or taken from its rows by <see cref="Share"/>.
/// </summary>
public sealed record ValidationOptions : INestedOptions
{
    /// <summary>
    /// Share of the questions to hold out, from 0 to below 1, drawn with the run's seed. All rows of a question are held out or none; white space and
    /// case make no difference. Default 0: none.
    /// </summary>
    public double Share { get; init; }

    /// <summary>
    /// Optimizer steps between two evaluations, 0 or more; 0: one at the end of every epoch. The held-out rows are also evaluated before the first
    /// step and after the last. Default 0.
    /// </summary>
    public int Steps { get; init; }

    /// <summary>The figure that decides which evaluation is the best. Default loss.</summary>
    public ValidationMeasure Measure { get; init; } = ValidationMeasure.Loss;

    /// <summary>
    /// Whether the run returns the weights of the best evaluation after a step instead of the last weights. They are kept in memory and in every
    /// checkpoint. Default true.
    /// </summary>
    public bool KeepBest { get; init; } = true;

    /// <summary>Evaluations in a row without a gain after which the run stops, 0 or more; 0: it never stops early. Default 0.</summary>
    public int Patience { get; init; }

    /// <summary>
    /// How much better than at the last gain the measure must be to count as a gain for <see cref="Patience"/>, 0 or more, in units of the loss or as
    /// a share of 1. Default 0: anything better counts, also a lower loss at the same accuracy.
    /// </summary>
    public double MinimumGain { get; init; }

    /// <summary>
    /// Held-out questions to answer at every evaluation, 0 or more, drawn with the run's seed: they give the accuracy and the sample answers. Default
    /// 0: none.
    /// </summary>
    public int GeneratedRows { get; init; }

    /// <summary>Longest of these answers in tokens, 1 or more. Default 512.</summary>
    public int MaximumNewTokens { get; init; } = 512;

    /// <summary>How these answers are compared with the gold answers. Default number.</summary>
    public AnswerComparison Comparison { get; init; } = AnswerComparison.Number;

    /// <summary>Answers that every <see cref="ValidationReport"/> shows, 0 or more. Default 3.</summary>
    [ChangesNoResult]
    public int SampleAnswers { get; init; } = 3;

    /// <summary>Refuses the first option that lies outside its range.</summary>
    internal void Validate()
    {
        Require(Share is >= 0 and < 1, nameof(Share), Share, "a share from 0 to below 1", "Give for example 0.1 for 10 % of the questions.");
        Require(Steps >= 0, nameof(Steps), Steps, "0 or more", "Use 0 for one evaluation per epoch.");
        Require(Enum.IsDefined(Measure), nameof(Measure), Measure, "Loss or Accuracy", "Name one of the measures.");
        Require(Patience >= 0, nameof(Patience), Patience, "0 or more", "Use 0 to train all epochs.");
        Require(double.IsFinite(MinimumGain) && MinimumGain >= 0, nameof(MinimumGain), MinimumGain, "a finite number, 0 or more",
            "Use 0 to count every gain.");
        Require(GeneratedRows >= 0, nameof(GeneratedRows), GeneratedRows, "0 or more", "Use 0 to measure the loss only.");
        Require(Measure == ValidationMeasure.Loss || GeneratedRows > 0, nameof(GeneratedRows), GeneratedRows,
            "1 or more, because Measure is Accuracy", "Set how many held-out questions to answer, or Measure to Loss.");
        Require(MaximumNewTokens >= 1, nameof(MaximumNewTokens), MaximumNewTokens, "1 or more", "Set the longest answer you want, for example 512.");
        Require(Enum.IsDefined(Comparison), nameof(Comparison), Comparison, "Number, PublishedString or Text", "Name one of the comparisons.");
        Require(SampleAnswers >= 0, nameof(SampleAnswers), SampleAnswers, "0 or more", "Use 0 to show none.");
    }

    /// <summary>Refuses options that ask for validation when no row is held out.</summary>
    internal void RequireUnused()
    {
        const string expected = "0, because no row is held out", remedy = "Give validation rows, or set Validation.Share.";
        Require(Steps == 0, nameof(Steps), Steps, expected, remedy);
        Require(Patience == 0, nameof(Patience), Patience, expected, remedy);
        Require(GeneratedRows == 0, nameof(GeneratedRows), GeneratedRows, expected, remedy);
    }

    private static void Require(bool valid, string option, object value, string expected, string remedy) =>
        OptionCheck.Require(valid, $"{nameof(FineTuneOptions.Validation)}.{option}", value, expected, remedy);
}
