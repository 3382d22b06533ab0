using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>Implements <see cref="IChatClient"/> of Microsoft.Extensions.AI with a <see cref="LocalModel"/>.</summary>
/// <remarks>
/// <para>Thread-safe. Requests are answered in order of arrival, off the callers' threads. Requests that wait when the model becomes free are
/// answered in one batch of at most <see cref="GenerationOptions.MaximumBatchSize"/>. A stream continues while its reader pauses. Cancelling a
/// request, or leaving its stream, ends its generation.</para>
/// <para>It supports these <see cref="ChatOptions"/>: Instructions, Temperature, MaxOutputTokens, TopP, TopK, Seed, StopSequences (in addition to the
/// client's stop strings), FrequencyPenalty, PresencePenalty and ModelId (the client's own name only). Reasoning.Effort becomes the variables
/// <c>enable_thinking</c> (false for None) and <c>reasoning_effort</c> (low, medium, high) of the chat template. It supports these
/// AdditionalProperties: <c>chat_template_kwargs</c> (variables of the chat template, which override
/// <see cref="Data.PromptOptions.TemplateVariables"/>), <c>logprobs</c>, <c>top_logprobs</c>, <c>min_p</c> and <c>repetition_penalty</c>. A
/// <see cref="ChatOptions.RawRepresentationFactory"/> that returns <see cref="GenerationOptions"/> replaces the client's defaults. A JSON
/// ResponseFormat is enforced, with and without a schema, as by <see cref="GenerationOptions.JsonSchema"/>. Tools are functions; the model calls them
/// in its own format if its chat template shows them, and a required ToolMode is enforced. It refuses a ConversationId, and messages with content
/// other than text, calls and their results. Other options have no effect.</para>
/// <para>Without a Seed, request n of a client, from 0, uses the default seed plus n. The raw representation of a
/// response, and of the last update of a stream, is the <see cref="GeneratedText"/>.</para>
/// </remarks>
/// <example>
/// <code>
/// using IChatClient client = NlftModel.LoadChatClient("models/tiny");
/// Console.WriteLine(await client.GetResponseAsync("What is 2 + 3?"));
/// </code>
/// </example>
public sealed class LocalChatClient : IChatClient
{
    private const int LongestToken = 256; // characters that a token is taken to stand for, at least

    private readonly LocalModel _model;
    private readonly bool _ownsModel;
    private readonly GenerationOptions _defaults;
    private readonly ChatClientMetadata _metadata;
    private readonly TimeProvider _clock;
    private readonly ChatQueue _queue;
    private int _requests = -1;

    /// <summary>Creates a client for a model, which the caller disposes after the client.</summary>
    /// <param name="model">The model. <see cref="LocalModel"/> says which of its members may be used at the same time.</param>
    /// <param name="options">The options; null: the defaults.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public LocalChatClient(LocalModel model, LocalChatClientOptions? options = null)
        : this(model, options ?? new(), ownsModel: false)
    {
    }

    internal LocalChatClient(LocalModel model, LocalChatClientOptions options, bool ownsModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        _defaults = options.Generation ?? model.Description?.Settings.Generation ?? new();
        _defaults.Validate();
        (_model, _ownsModel, _clock) = (model, ownsModel, options.TimeProvider);
        ModelId = options.ModelId ?? model.Name;
        _metadata = new ChatClientMetadata(GenerationTelemetry.Provider, providerUri: null, ModelId);
        _queue = new ChatQueue(model, _defaults.MaximumBatchSize);
    }

    /// <summary>See <see cref="NlftModel.LoadChatClient"/>.</summary>
    internal static LocalChatClient Load(string folder, LocalChatClientOptions? options, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new();
        var name = ModelLocator.IsPath(folder) ? ModelLocator.NameOf(folder) : folder;
        options = options with { ModelId = options.ModelId ?? name };
        options.Generation?.Validate();
        var model = LocalModel.Load(folder, new()
        {
            Engine = options.Engine,
            BaseModelFolder = options.BaseModelFolder,
            Locator = options.Locator,
        }, cancellationToken);
        try
        {
            return new LocalChatClient(model, options, ownsModel: true);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Gets the model's name in responses.</summary>
    public string ModelId { get; }

    /// <summary>Gets the number of requests that wait for the model.</summary>
    public int WaitingRequests => _queue.Waiting;

    /// <summary>Gets the number of requests that the model is answering.</summary>
    public int RunningRequests => _queue.Running;

    /// <summary>Answers a conversation.</summary>
    /// <param name="messages">Messages of the roles system, user, assistant and tool; the last one is the user's or a tool's.</param>
    /// <param name="options">The options of the request; null: the client's defaults.</param>
    /// <param name="cancellationToken">Observed while waiting and between tokens.</param>
    /// <exception cref="NlftException">A message or option cannot be used.</exception>
    /// <exception cref="ObjectDisposedException">The client or its model has been disposed.</exception>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var job = await StartAsync(messages, options, cancellationToken).ConfigureAwait(false);
        await foreach (var _ in job.ReadTexts(cancellationToken).ConfigureAwait(false))
        {
            // Only the complete answer is needed.
        }
        var (answer, id) = (job.Row.Result(), NewId());
        var contents = job.Tools?.Read(answer.Text, NewCallId) ?? [new TextContent(answer.Text)];
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, contents) { MessageId = id, CreatedAt = _clock.GetUtcNow() })
        {
            ResponseId = id,
            ModelId = ModelId,
            CreatedAt = _clock.GetUtcNow(),
            FinishReason = Finish(answer, contents),
            Usage = Usage(answer),
            RawRepresentation = answer,
        };
    }

    /// <summary>
    /// Answers a conversation as a stream of texts, and calls of tools at their end; the last update has the finish reason and the usage instead.
    /// </summary>
    /// <param name="messages">Messages of the roles system, user, assistant and tool; the last one is the user's or a tool's.</param>
    /// <param name="options">The options of the request; null: the client's defaults.</param>
    /// <param name="cancellationToken">Observed while waiting and between tokens.</param>
    /// <exception cref="NlftException">A message or option cannot be used; thrown when the enumeration begins.</exception>
    /// <exception cref="ObjectDisposedException">The client or its model has been disposed.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var job = await StartAsync(messages, options, cancellationToken).ConfigureAwait(false);
        await foreach (var update in UpdatesAsync(job, cancellationToken).ConfigureAwait(false)) yield return update;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> UpdatesAsync(ChatJob job, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (id, created) = (NewId(), _clock.GetUtcNow());
        var tools = job.Tools is { } format ? new ToolCallText(format, NewCallId) : null;
        await foreach (var piece in job.ReadTexts(cancellationToken).ConfigureAwait(false))
        {
            var text = tools?.Append(piece) ?? piece;
            if (text.Length > 0) yield return Update(new TextContent(text));
        }
        var contents = tools?.Finish() ?? [];
        foreach (var content in contents) yield return Update(content);
        var answer = job.Row.Result();
        var last = Update(new UsageContent(Usage(answer)));
        (last.FinishReason, last.RawRepresentation) = (Finish(answer, contents), answer);
        yield return last;

        ChatResponseUpdate Update(AIContent content) =>
            new(ChatRole.Assistant, [content]) { ResponseId = id, MessageId = id, ModelId = ModelId, CreatedAt = created };
    }

    /// <summary>
    /// Continues a prompt of token ids, without a chat template, as a stream like that of a conversation. It shares queue and batches with the
    /// conversations.
    /// </summary>
    /// <param name="prompt">The prompt, one token or more; see <see cref="EncodeText"/>.</param>
    /// <param name="options">
    /// The options of the request; null: the client's defaults. Instructions and variables of the template have no effect.
    /// </param>
    /// <param name="cancellationToken">Observed while waiting and between tokens.</param>
    /// <exception cref="NlftException">The prompt or an option cannot be used; thrown when the enumeration begins.</exception>
    /// <exception cref="ObjectDisposedException">The client or its model has been disposed.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> ContinueStreamingAsync(
        int[] prompt, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        using var job = await StartAsync(GenerationTelemetry.TextCompletion, options, settings => new(prompt, settings), cancellationToken)
            .ConfigureAwait(false);
        await foreach (var update in UpdatesAsync(job, cancellationToken).ConfigureAwait(false)) yield return update;
    }

    /// <summary>Encodes a text for <see cref="ContinueStreamingAsync"/>, with the tokens that begin a sequence.</summary>
    /// <param name="text">The text; special tokens in it are read as such.</param>
    /// <exception cref="NlftException">The text is certainly longer than the model's context, or cannot be encoded.</exception>
    public int[] EncodeText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        RequireLength("the prompt", text.Length);
        return _model.Tokenizer.Encode(text, addSpecialTokens: true);
    }

    /// <summary>Returns the client itself, its <see cref="LocalModel"/> or its <see cref="ChatClientMetadata"/>; null for other types.</summary>
    /// <param name="serviceType">The requested type.</param>
    /// <param name="serviceKey">Null: no service has a key.</param>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_model) ? _model
            : serviceType.IsInstanceOfType(_metadata) ? _metadata
            : null;
    }

    /// <summary>
    /// Ends running and waiting requests with <see cref="ObjectDisposedException"/>; disposes the model if the client loaded it.
    /// </summary>
    public void Dispose()
    {
        _queue.Dispose();
        if (_ownsModel) _model.Dispose();
    }

    private Task<ChatJob> StartAsync(IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ChatMessage[] conversation = [.. messages];
        return StartAsync(GenerationTelemetry.Chat, options, settings =>
        {
            var (turns, variables) = (ChatTurns.Of(conversation), ChatRequest.Variables(options));
            RequireLength("the conversation", turns.Sum(LengthOf));
            var hasCalls = turns.Any(turn => turn.ToolCalls.Count > 0 || turn.Answers is not null);
            var tools = ToolRequest.Of(options, _model.Prompts, hasCalls);
            if (tools?.List() is { } list) variables["tools"] = list;
            if (tools is not null) settings = settings with { Form = tools.Form(options?.ToolMode, settings.JsonSchema, _model.Tokenizer) };
            return new(_model.Prompts.EncodeConversation(turns, options?.Instructions, variables), settings, tools?.Format);
        }, cancellationToken);

        static long LengthOf(ChatTurn turn) => turn.Content.Length + turn.ToolCalls.Sum(call => (long)call.Arguments.GetRawText().Length);
    }

    private async Task<ChatJob> StartAsync(
        string operation, ChatOptions? options, Func<GenerationOptions, Prepared> prepare, CancellationToken cancellationToken)
    {
        var defaults = options?.RawRepresentationFactory?.Invoke(this) as GenerationOptions
            ?? _defaults with { Seed = unchecked(_defaults.Seed + Interlocked.Increment(ref _requests)) };
        var settings = ChatRequest.Generation(options, defaults, ModelId);
        var telemetry = GenerationTelemetry.Start(operation, ModelId, settings, _clock);
        try
        {
            // Templates and the tokenizer are thread-safe; only the engine is serialized by the queue.
            var job = await Task.Run(() =>
            {
                var prepared = prepare(settings);
                return new ChatJob(_model.Generator.CreateRow(prepared.Prompt, prepared.Settings), telemetry, prepared.Tools);
            }, cancellationToken).ConfigureAwait(false);
            _queue.Enqueue(job);
            return job;
        }
        catch (Exception error)
        {
            telemetry?.End(error);
            throw;
        }
    }

    /// <summary>Refuses, before any work on it, text that is certainly longer than the model's context.</summary>
    private void RequireLength(string what, long length)
    {
        var positions = _model.Folder.Configuration.MaximumPositions;
        var most = positions * (long)Math.Max(LongestToken, _model.Tokenizer.LongestToken);
        if (length <= most) return;
        throw new NlftException(what, $"{length} characters", $"at most {most}: the model reads {positions} tokens", $"Shorten {what}.");
    }

    /// <summary>A request that is ready for the model.</summary>
    private readonly record struct Prepared(int[] Prompt, GenerationOptions Settings, ToolFormat? Tools = null);

    private static string NewId() => $"chatcmpl-{Guid.NewGuid():N}";

    /// <summary>Creates the id of a call; templates of Mistral take nine letters and digits.</summary>
    private static string NewCallId() => Guid.NewGuid().ToString("N")[..9];

    private static ChatFinishReason Finish(GeneratedText answer, IEnumerable<AIContent> contents) =>
        contents.Any(content => content is FunctionCallContent) ? ChatFinishReason.ToolCalls
        : answer.FinishReason == FinishReason.Stop ? ChatFinishReason.Stop : ChatFinishReason.Length;

    private static UsageDetails Usage(GeneratedText answer) => new()
    {
        InputTokenCount = answer.PromptTokens,
        CachedInputTokenCount = answer.CachedPromptTokens,
        OutputTokenCount = answer.Tokens.Count,
        TotalTokenCount = answer.PromptTokens + answer.Tokens.Count,
    };
}
