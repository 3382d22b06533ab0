namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>How a response's final answer is compared with the gold answer.</summary>
public enum AnswerComparison
{
    /// <summary>
    /// Compares exact numbers: 2.50 equals 2.5. See <see cref="AnswerExtraction.FinalNumber"/>. A gold answer that is not one number, such as a time,
    /// a ratio or a list, is refused.
    /// </summary>
    Number,

    /// <summary>Compares strings as NLFT's published evaluation does: 2.50 differs from 2.5. Use it for figures comparable with its tables.</summary>
    PublishedString,

    /// <summary>
    /// Compares the whole texts, ignoring case, surrounding white space and what follows an end-of-turn mark. Use it for tasks whose answers are not
    /// one number.
    /// </summary>
    Text,
}

/// <summary>Compares responses with gold answers.</summary>
public static class ExactMatchEvaluator
{
    /// <summary>Compares every response with its gold answer.</summary>
    /// <param name="responses">The model's responses, one per row; null or empty counts as unanswered.</param>
    /// <param name="answers">The gold answers, in the same order.</param>
    /// <param name="comparison">How to compare; default <see cref="AnswerComparison.Number"/>.</param>
    /// <exception cref="NlftException">There are no rows, the counts differ, or a gold answer cannot be read.</exception>
    public static EvaluationResult Evaluate(IReadOnlyList<string?> responses, IReadOnlyList<string> answers,
        AnswerComparison comparison = AnswerComparison.Number)
    {
        ArgumentNullException.ThrowIfNull(responses);
        ArgumentNullException.ThrowIfNull(answers);
        if (responses.Count != answers.Count)
        {
            throw new NlftException("evaluation", $"{responses.Count} responses and {answers.Count} gold answers", "as many of one as of the other",
                "Pass one gold answer per response.");
        }
        if (responses.Count == 0) throw new NlftException("evaluation", "no row", "at least one", "Pass the rows to evaluate.");
        return new EvaluationResult([.. responses.Select((response, row) => Compare(response, answers[row], comparison, $"evaluation row {row}"))]);
    }

    /// <summary>Compares one response with its gold answer.</summary>
    /// <param name="response">The model's response; null or empty counts as unanswered.</param>
    /// <param name="answer">The gold answer.</param>
    /// <param name="comparison">How to compare; default <see cref="AnswerComparison.Number"/>.</param>
    /// <param name="source">Name of the row in messages; default "row".</param>
    /// <exception cref="NlftException">The gold answer cannot be read.</exception>
    public static EvaluatedRow Compare(string? response, string answer, AnswerComparison comparison = AnswerComparison.Number, string source = "row")
    {
        switch (comparison)
        {
            case AnswerComparison.Number:
                var gold = AnswerExtraction.GoldNumber(answer)
                    ?? throw BadGold(source, answer, "a number, alone or after ####", "Correct the gold answer, or compare as text.");
                var (number, text) = AnswerExtraction.Final(response);
                return Row(gold.ToString(), number?.ToString() ?? text, StringComparison.Ordinal);

            case AnswerComparison.PublishedString:
                var published = AnswerExtraction.PublishedGoldAnswer(answer ?? "")
                    ?? throw BadGold(source, answer, "\"#### \" and a number", "Correct the gold answer, or compare as numbers.");
                var found = AnswerExtraction.PublishedModelAnswer(response ?? "");
                return Row(published, found == AnswerExtraction.PublishedInvalid ? null : found, StringComparison.Ordinal);

            case AnswerComparison.Text:
                if (string.IsNullOrWhiteSpace(answer)) throw BadGold(source, answer, "a text", "Fill in the gold answer, or leave the row out.");
                var given = EndOfTurn.Cut(response ?? "").Trim();
                return Row(EndOfTurn.Cut(answer).Trim(), given.Length == 0 ? null : given, StringComparison.OrdinalIgnoreCase);

            default:
                throw new ArgumentOutOfRangeException(nameof(comparison), comparison, "Number, PublishedString or Text");
        }
    }

    private static EvaluatedRow Row(string expected, string? found, StringComparison comparison) => new(expected, found,
        found is null ? AnswerOutcome.Unanswered : string.Equals(expected, found, comparison) ? AnswerOutcome.Correct : AnswerOutcome.Wrong);

    private static NlftException BadGold(string source, string? answer, string expected, string remedy)
    {
        var found = string.IsNullOrWhiteSpace(answer) ? "an empty text" : answer.Length <= 60 ? $"\"{answer}\"" : $"\"...{answer[^60..]}\"";
        return new NlftException($"gold answer of {source}", found, expected, remedy);
    }
}
