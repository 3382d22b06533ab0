using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>An exact-match evaluation for a <see cref="ModelCard"/>.</summary>
/// <param name="Name">The test set, for example <c>GSM8K test, first 200</c>.</param>
/// <param name="Correct">Correct answers, from 0 to <paramref name="Total"/>.</param>
/// <param name="Unanswered">Responses without a final answer, which count as incorrect.</param>
/// <param name="Total">Questions, 1 or more.</param>
public sealed record ModelCardEvaluation(string Name, int Correct, int Unanswered, int Total)
{
    /// <summary>Creates the summary of an evaluation.</summary>
    /// <param name="name">The test set.</param>
    /// <param name="result">The result of the evaluation.</param>
    public static ModelCardEvaluation Of(string name, EvaluationResult result)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(result);
        return new ModelCardEvaluation(name, result.Correct, result.Unanswered, result.Total);
    }
}
