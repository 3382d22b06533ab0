using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Writes the answers to a conversation as a chat completion, whole or in chunks.</summary>
internal static class ChatCompletions
{
    /// <summary>Returns the whole answers.</summary>
    public static async Task<ChatCompletion> WholeAsync(Answers answers, CancellationToken cancellationToken)
    {
        var updates = await answers.ReadAllAsync(cancellationToken);
        return new(NewId(), "chat.completion", answers.Created, answers.Model.Name, [.. updates.Select(Choice)],
            answers.UsageOf(updates.Select(parts => parts[^1])));

        ChatChoice Choice(IReadOnlyList<ChatResponseUpdate> parts, int index)
        {
            var calls = ToolFields.Of(parts.SelectMany(part => part.Contents));
            var text = string.Concat(parts.Select(part => part.Text));
            return new(index, new("assistant", text, calls), null, LogprobsOf(parts[^1], answers), parts[^1].FinishReason?.Value);
        }
    }

    /// <summary>
    /// Returns a chunk per text; the last one of a choice has the finish reason and, if requested, the log-probabilities of all its tokens. The usage
    /// comes in a chunk without choices.
    /// </summary>
    public static async IAsyncEnumerable<ChatCompletion> ChunksAsync(
        Answers answers, bool includeUsage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var whole = new ChatCompletion(NewId(), "chat.completion.chunk", answers.Created, answers.Model.Name, [], null);
        var (begun, ends, called) = (new bool[answers.Count], new ChatResponseUpdate?[answers.Count], new int[answers.Count]);
        await foreach (var (choice, update) in answers.ReadAsync(cancellationToken))
        {
            if (!begun[choice]) yield return Chunk(new(choice, null, new("assistant", ""), null, null));
            begun[choice] = true;
            if (update.FinishReason is not null) ends[choice] = update;
            var calls = ToolFields.Of(update.Contents)?.Select(call => call with { Index = called[choice]++ }).ToList();
            yield return Chunk(new(choice, null, new(null, update.Text.Length > 0 ? update.Text : null, calls), LogprobsOf(update, answers),
                update.FinishReason?.Value));
        }
        if (includeUsage) yield return whole with { Usage = answers.UsageOf(ends) };

        ChatCompletion Chunk(ChatChoice choice) => whole with { Choices = [choice] };
    }

    private static TokenLogprobs? LogprobsOf(ChatResponseUpdate update, Answers answers) =>
        TokenLogprobs.Of(update.RawRepresentation as GeneratedText, answers.Model.Model.Tokenizer);

    private static string NewId() => $"chatcmpl-{Guid.NewGuid():N}";
}
