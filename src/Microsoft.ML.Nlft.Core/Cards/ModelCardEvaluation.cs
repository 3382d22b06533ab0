using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>An evaluation by exact match, for a <see cref="ModelCard"/>.</summary>
/// <param name="Name">What was evaluated on, for example <c>GSM8K test, first 200</c>.</param>
/// <param name="Correct">Right answers, from 0 to <paramref name="Total"/>.</param>
/// <param name="Unanswered">Responses without a final answer; they count as not right.</param>
/// <param name="Total">Questions, 1 or more.</param>
public sealed record ModelCardEvaluation(string Name, int Correct, int Unanswered, int Total)
{
    /// <summary>Sums up an evaluation.</summary>
    /// <param name="name">What was evaluated on.</param>
    /// <param name="result">The evaluation.</param>
    public static ModelCardEvaluation Of(string name, EvaluationResult result)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(result);
        return new ModelCardEvaluation(name, result.Correct, result.Unanswered, result.Total);
    }
}
