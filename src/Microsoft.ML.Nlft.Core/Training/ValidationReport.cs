using System.Globalization;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Training;

/// <summary>A held-out question with the model's answer.</summary>
/// <param name="Question">The question.</param>
/// <param name="Expected">The gold answer as compared.</param>
/// <param name="Answer">What the model wrote, greedily.</param>
/// <param name="Outcome">Whether the answer is right.</param>
public sealed record ValidationAnswer(string Question, string Expected, string Answer, AnswerOutcome Outcome);

/// <summary>One evaluation of the held-out rows during a run, dropout off.</summary>
public sealed record ValidationReport
{
    private const int SampleWidth = 100;

    /// <summary>Optimizer steps done; 0: before training.</summary>
    public required int Step { get; init; }

    /// <summary>Epochs done, as a fraction.</summary>
    public required double Epoch { get; init; }

    /// <summary>
    /// The objective's loss on the held-out rows, reduced over all of them by <see cref="FineTuneOptions.Reduction"/>. It does not depend on the
    /// number of threads or processes.
    /// </summary>
    public required double Loss { get; init; }

    /// <summary>Held-out questions answered correctly; null unless <see cref="ValidationOptions.GeneratedRows"/> asks for answers.</summary>
    public int? Correct { get; init; }

    /// <summary>Held-out questions answered; 0: none.</summary>
    public int Answered { get; init; }

    /// <summary><see cref="Correct"/> / <see cref="Answered"/>, in [0, 1]; null without answers.</summary>
    public double? Accuracy => (double?)Correct / Answered;

    /// <summary>
    /// Whether this is the best evaluation after a step so far, by <see cref="ValidationOptions.Measure"/>; of equal accuracies the one with the
    /// lower loss is the best, else the first.
    /// </summary>
    public bool IsBest { get; init; }

    /// <summary>Evaluations since the last gain (<see cref="ValidationOptions.MinimumGain"/>), this one included; 0: this one gained.</summary>
    public int WithoutGain { get; init; }

    /// <summary>The first answers, at most <see cref="ValidationOptions.SampleAnswers"/>: the same questions every time.</summary>
    public IReadOnlyList<ValidationAnswer> Samples { get; init; } = [];

    /// <summary>Describes the evaluation in a line, for example "validation after step 8, epoch 2.00: loss 0.1234, best so far".</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"validation {(Step == 0 ? "before training" : $"after step {Step}, epoch {Epoch:0.00}")}: loss {Loss:0.0000}"
        + $"{(Accuracy is { } accuracy ? $", accuracy {100 * accuracy:0.0} % of {Answered}" : "")}{(IsBest ? ", best so far" : "")}");

    /// <summary>Describes the evaluation in a line, followed by a shortened line per sample answer.</summary>
    public IReadOnlyList<string> Lines() => [ToString(), .. Samples.Select(Line)];

    private static string Line(ValidationAnswer sample)
    {
        var outcome = sample.Outcome == AnswerOutcome.Correct ? "right" : $"expected {Short(sample.Expected)}";
        return $"  {Short(sample.Question)} -> {Short(sample.Answer)} ({outcome})";
    }

    private static string Short(string text)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        if (line.Length <= SampleWidth) return line;
        var end = SampleWidth - 3;
        return line[..(char.IsHighSurrogate(line[end - 1]) ? end - 1 : end)] + "...";
    }
}
