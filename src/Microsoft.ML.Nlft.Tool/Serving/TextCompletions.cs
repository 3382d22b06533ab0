using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Writes the continuations of prompts as a text completion, whole or in chunks.</summary>
internal static class TextCompletions
{
    /// <summary>Returns the whole continuations.</summary>
    public static async Task<TextCompletion> WholeAsync(Answers answers, CancellationToken cancellationToken)
    {
        var updates = await answers.ReadAllAsync(cancellationToken);
        return Empty(answers) with
        {
            Choices = [.. updates.Select((parts, index) => Choice(index, string.Concat(parts.Select(part => part.Text)), parts[^1], answers))],
            Usage = answers.UsageOf(updates.Select(parts => parts[^1])),
        };
    }

    /// <summary>
    /// Returns a chunk per text; the last one of a choice has the finish reason and, if requested, the log-probabilities of all its tokens. The usage
    /// comes in a chunk without choices.
    /// </summary>
    public static async IAsyncEnumerable<TextCompletion> ChunksAsync(
        Answers answers, bool includeUsage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (whole, ends) = (Empty(answers), new ChatResponseUpdate?[answers.Count]);
        await foreach (var (choice, update) in answers.ReadAsync(cancellationToken))
        {
            if (update.FinishReason is not null) ends[choice] = update;
            yield return whole with { Choices = [Choice(choice, update.Text, update, answers)] };
        }
        if (includeUsage) yield return whole with { Usage = answers.UsageOf(ends) };
    }

    private static TextCompletion Empty(Answers answers) =>
        new($"cmpl-{Guid.NewGuid():N}", "text_completion", answers.Created, answers.Model.Name, [], null);

    private static TextChoice Choice(int index, string text, ChatResponseUpdate last, Answers answers) =>
        new(index, text, TextLogprobs.Of(last.RawRepresentation as GeneratedText, answers.Model.Model.Tokenizer), last.FinishReason?.Value);
}
