using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>
/// Describes a call that generates text by OpenTelemetry's semantic conventions for generative AI
/// (https://opentelemetry.io/docs/specs/semconv/gen-ai/): a span, and histograms of duration, tokens and latency. No text of prompt or answer is in
/// any of them.
/// </summary>
internal sealed class GenerationTelemetry
{
    /// <summary>The operation of a conversation, and that of other prompts.</summary>
    public const string Chat = "chat", TextCompletion = "text_completion";

    /// <summary>The name of this library as a provider.</summary>
    public const string Provider = "nlft";

    private const string Operation = "gen_ai.operation.name";

    private static readonly Histogram<double> s_duration = Seconds("gen_ai.client.operation.duration", "GenAI operation duration.",
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]);
    private static readonly Histogram<double> s_firstToken = Seconds("gen_ai.server.time_to_first_token",
        "Time to generate first token for successful responses.",
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]);
    private static readonly Histogram<double> s_perToken = Seconds("gen_ai.server.time_per_output_token",
        "Time per output token generated after the first token for successful responses.",
        [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5]);
    private static readonly Histogram<long> s_tokens = Telemetry.Meter.CreateHistogram<long>("gen_ai.client.token.usage", "{token}",
        "Number of input and output tokens used.", tags: null,
        new() { HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864] });

    private readonly string _operation, _model;
    private readonly TimeProvider _time;
    private readonly long _begin;
    private readonly bool _isClient;
    private readonly Activity? _span;
    private TimeSpan? _first;

    private GenerationTelemetry(string operation, string model, GenerationOptions options, TimeProvider time)
    {
        (_operation, _model, _time, _begin) = (operation, model, time, time.GetTimestamp());
        // A client around this one, such as UseOpenTelemetry of Microsoft.Extensions.AI makes, describes the call already.
        _isClient = Activity.Current?.GetTagItem(Operation) as string != operation;
        if (!_isClient) return;
        _span = Telemetry.Source.StartActivity($"{operation} {model}", ActivityKind.Internal); // the model runs in this process
        if (_span is not { IsAllDataRequested: true }) return;
        _span.SetTag(Operation, operation).SetTag("gen_ai.provider.name", Provider).SetTag("gen_ai.request.model", model)
            .SetTag("gen_ai.request.max_tokens", options.MaximumNewTokens).SetTag("gen_ai.request.temperature", options.Temperature)
            .SetTag("gen_ai.request.top_p", options.TopP).SetTag("gen_ai.request.seed", options.Seed)
            .SetTag("gen_ai.request.frequency_penalty", options.FrequencyPenalty)
            .SetTag("gen_ai.request.presence_penalty", options.PresencePenalty);
        if (options.TopK > 0) _span.SetTag("gen_ai.request.top_k", options.TopK);
    }

    /// <summary>Gets whether anybody listens.</summary>
    public static bool IsOn =>
        Telemetry.Source.HasListeners() || s_duration.Enabled || s_tokens.Enabled || s_firstToken.Enabled || s_perToken.Enabled;

    /// <summary>Starts a call; returns null while nobody listens.</summary>
    /// <param name="operation"><see cref="Chat"/> or <see cref="TextCompletion"/>.</param>
    /// <param name="model">The model's name.</param>
    /// <param name="options">The options of the call.</param>
    /// <param name="time">The clock; null: the system's.</param>
    public static GenerationTelemetry? Start(string operation, string model, GenerationOptions options, TimeProvider? time = null) =>
        IsOn ? new(operation, model, options, time ?? TimeProvider.System) : null;

    /// <summary>Runs a call that returns all answers at once.</summary>
    public IReadOnlyList<GeneratedText> Measure(Func<IReadOnlyList<GeneratedText>> generate)
    {
        IReadOnlyList<GeneratedText> answers;
        try
        {
            answers = generate();
        }
        catch (Exception error)
        {
            End(error);
            throw;
        }
        End(answers);
        return answers;
    }

    /// <summary>Passes a stream of texts on and measures it. A caller who leaves it early ends the call as a cancellation does.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="answer">Returns the whole answer at the end.</param>
    public async IAsyncEnumerable<string> Measure(IAsyncEnumerable<string> texts, Func<GeneratedText> answer)
    {
        Exception? failure = new OperationCanceledException();
        await using var reader = texts.GetAsyncEnumerator();
        try
        {
            while (await NextAsync().ConfigureAwait(false))
            {
                FirstToken();
                yield return reader.Current;
            }
            failure = null;
        }
        finally
        {
            if (failure is null) End([answer()]);
            else End(failure);
        }

        async ValueTask<bool> NextAsync()
        {
            try
            {
                return await reader.MoveNextAsync().ConfigureAwait(false);
            }
            catch (Exception error)
            {
                failure = error;
                throw;
            }
        }
    }

    /// <summary>Notes the first part of the answer.</summary>
    public void FirstToken() => _first ??= _time.GetElapsedTime(_begin);

    /// <summary>Ends the call with its answers.</summary>
    public void End(IReadOnlyList<GeneratedText> answers)
    {
        var (tags, whole) = (Tags(), _time.GetElapsedTime(_begin));
        var (input, output) = (answers.Sum(answer => (long)answer.PromptTokens), answers.Sum(answer => (long)answer.Tokens.Count));
        if (_isClient)
        {
            s_duration.Record(whole.TotalSeconds, tags);
            s_tokens.Record(input, [.. tags, new("gen_ai.token.type", "input")]);
            s_tokens.Record(output, [.. tags, new("gen_ai.token.type", "output")]);
        }
        if (_first is { } first)
        {
            s_firstToken.Record(first.TotalSeconds, tags);
            if (output > 1) s_perToken.Record((whole - first).TotalSeconds / (output - 1), tags);
        }
        _span?.SetTag("gen_ai.response.model", _model).SetTag("gen_ai.usage.input_tokens", input).SetTag("gen_ai.usage.output_tokens", output)
            .SetTag("gen_ai.usage.cache_read.input_tokens", answers.Sum(answer => (long)answer.CachedPromptTokens))
            .SetTag("gen_ai.response.finish_reasons",
                answers.Select(answer => answer.FinishReason == FinishReason.Stop ? "stop" : "length").ToArray());
        _span?.Dispose();
    }

    /// <summary>Ends a call that failed or was cancelled.</summary>
    public void End(Exception error)
    {
        if (_isClient)
            s_duration.Record(_time.GetElapsedTime(_begin).TotalSeconds, [.. Tags(), new("error.type", error.GetType().FullName)]);
        Telemetry.Fail(_span, error);
        _span?.Dispose();
    }

    private KeyValuePair<string, object?>[] Tags() =>
    [
        new(Operation, _operation), new("gen_ai.provider.name", Provider), new("gen_ai.request.model", _model),
        new("gen_ai.response.model", _model),
    ];

    private static Histogram<double> Seconds(string name, string description, double[] boundaries) =>
        Telemetry.Meter.CreateHistogram<double>(name, "s", description, tags: null, new() { HistogramBucketBoundaries = boundaries });
}
