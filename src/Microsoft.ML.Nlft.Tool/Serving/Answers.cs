using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>The choices of one request while the model writes them.</summary>
/// <param name="model">The model.</param>
/// <param name="choices">A stream for each choice: the answers to the first prompt, to the second, and so on.</param>
/// <param name="perPrompt">The number of answers per prompt.</param>
/// <param name="clock">The clock of the metrics.</param>
internal sealed class Answers(ServedModel model, IReadOnlyList<IAsyncEnumerable<ChatResponseUpdate>> choices, int perPrompt, TimeProvider clock)
{
    public ServedModel Model => model;
    public int Count => choices.Count;
    public long Created { get; } = clock.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Starts the answers to a conversation.</summary>
    /// <exception cref="ApiException">A field cannot be used.</exception>
    public static Answers To(ChatRequest request, ServedModel model, TimeProvider clock)
    {
        var (options, messages) = (request.ToOptions(), request.ToMessages()); // a misspelt name of a field comes first
        return new(model, [.. Each(request, options).Select(one => model.Client.GetStreamingResponseAsync(messages, one))], request.N ?? 1, clock);
    }

    /// <summary>Starts the continuations of prompts.</summary>
    /// <exception cref="ApiException">A field cannot be used.</exception>
    /// <exception cref="NlftException">A prompt is too long.</exception>
    public static Answers To(TextRequest request, ServedModel model, TimeProvider clock)
    {
        var (options, prompts) = (request.ToOptions(), request.ToPrompts(model.EncodeText));
        return new(model, [.. prompts.SelectMany(prompt => Each(request, options)
            .Select(one => model.Client.ContinueStreamingAsync(model.RequireRoom(prompt), one)))], request.N ?? 1, clock);
    }

    /// <summary>Reads all choices as they are written, and measures them.</summary>
    public async IAsyncEnumerable<(int Choice, ChatResponseUpdate Update)> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (begun, firsts) = (clock.GetTimestamp(), new long?[Count]);
        await foreach (var (choice, update) in MergeAsync(cancellationToken))
        {
            var now = clock.GetTimestamp();
            if (firsts[choice] is null)
            {
                firsts[choice] = now;
                model.Metrics.TimeToFirstToken.Observe(clock.GetElapsedTime(begun, now).TotalSeconds);
            }
            if (update.FinishReason is not null)
            {
                var (usage, seconds) = (UsageOf(update), clock.GetElapsedTime(firsts[choice]!.Value, now).TotalSeconds);
                var prompt = choice % perPrompt == 0 ? usage : null;
                model.Metrics.Count(prompt?.InputTokenCount ?? 0, prompt?.CachedInputTokenCount ?? 0, usage?.OutputTokenCount ?? 0, seconds);
            }
            yield return (choice, update);
        }
    }

    /// <summary>Reads all choices to their ends.</summary>
    /// <returns>The updates of each choice.</returns>
    public async Task<IReadOnlyList<IReadOnlyList<ChatResponseUpdate>>> ReadAllAsync(CancellationToken cancellationToken)
    {
        var updates = choices.Select(_ => new List<ChatResponseUpdate>()).ToArray();
        await foreach (var (choice, update) in ReadAsync(cancellationToken)) updates[choice].Add(update);
        return updates;
    }

    /// <summary>Returns the usage of whole answers, from the last update of each.</summary>
    /// <param name="ends">The last update of each choice; null: it has not come.</param>
    public TokenUsage UsageOf(IEnumerable<ChatResponseUpdate?> ends) =>
        TokenUsage.Of([.. ends.Select(end => end is null ? null : UsageOf(end))], perPrompt);

    /// <summary>Returns the tokens that the last update of a choice reports.</summary>
    public static UsageDetails? UsageOf(ChatResponseUpdate last) => last.Contents.OfType<UsageContent>().FirstOrDefault()?.Details;

    /// <summary>Returns the options of each answer to a prompt: with a seed, the next ones for the next answers.</summary>
    private static IEnumerable<ChatOptions> Each(GenerationRequest request, ChatOptions options) =>
        Enumerable.Range(0, request.N ?? 1).Select(answer =>
        {
            var own = options.Clone();
            own.Seed = unchecked(options.Seed + answer);
            return own;
        });

    private async IAsyncEnumerable<(int Choice, ChatResponseUpdate Update)> MergeAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var merged = Channel.CreateUnbounded<(int, ChatResponseUpdate)>();
        var left = Count;
        Task[] readers = [.. choices.Select((choice, i) => Task.Run(() => ReadChoiceAsync(choice, i), CancellationToken.None))];
        try
        {
            await foreach (var update in merged.Reader.ReadAllAsync(cancellationToken)) yield return update;
        }
        finally
        {
            await reading.CancelAsync();
            await Task.WhenAll(readers);
        }

        async Task ReadChoiceAsync(IAsyncEnumerable<ChatResponseUpdate> choice, int index)
        {
            try
            {
                await foreach (var update in choice.WithCancellation(reading.Token)) merged.Writer.TryWrite((index, update));
                if (Interlocked.Decrement(ref left) == 0) merged.Writer.TryComplete();
            }
            catch (Exception failure)
            {
                merged.Writer.TryComplete(failure);
            }
        }
    }
}
