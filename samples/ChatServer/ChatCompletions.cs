using System.Net;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft;

namespace ChatServer;

/// <summary>Maps POST /v1/chat/completions and GET /v1/models to the container's <see cref="IChatClient"/>.</summary>
internal static class ChatCompletions
{
    /// <summary>Loads the model, so that a wrong folder fails at once, and adds the endpoints.</summary>
    public static void MapChatCompletions(this WebApplication app)
    {
        var client = app.Services.GetRequiredService<IChatClient>();
        var model = client.GetService<ChatClientMetadata>()?.DefaultModelId;
        var started = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        app.UseStatusCodePages(context => WriteError(context.HttpContext, StatusError(context.HttpContext)));
        app.Use(ReportFailures);
        var anyHost = app.Configuration["AllowedHosts"] is null or "*";
        app.Use((context, next) => !anyHost || IsOwnHost(context) ? next(context) : throw ApiException.Invalid(null,
            $"The host '{context.Request.Host}' is not served: name this machine as localhost or 127.0.0.1.",
            status: StatusCodes.Status403Forbidden));
        app.MapGet("/v1/models", () => Results.Json(new ModelList("list", [new ModelEntry(model, "model", started, "local")]), Wire.Json));
        app.MapPost("/v1/chat/completions", context => CompleteAsync(context, client, model));
    }

    private static async Task CompleteAsync(HttpContext context, IChatClient client, string? model)
    {
        // A browser page cannot send this type to another origin without a preflight.
        if (!context.Request.HasJsonContentType())
        {
            throw ApiException.Invalid(null, "The body must have the content type application/json.",
                status: StatusCodes.Status415UnsupportedMediaType);
        }
        var request = await ReadAsync(context);
        if (request.Model is { } name && name != model)
        {
            throw ApiException.Invalid("model", $"There is no model '{name}' here; there is '{model}'.", "model_not_found",
                StatusCodes.Status404NotFound);
        }
        var (messages, options) = Convert(request);
        var local = client.GetService<LocalModel>();
        if (request.Stream is true)
        {
            await StreamAsync(context, client.GetStreamingResponseAsync(messages, options, context.RequestAborted), local,
                request.StreamOptions?.IncludeUsage is true);
            return;
        }
        var response = await client.GetResponseAsync(messages, options, context.RequestAborted);
        await context.Response.WriteAsJsonAsync(CompletionResponse.Whole(response, TokenLogprobs.Of(response.RawRepresentation, local)), Wire.Json,
            context.RequestAborted);
    }

    /// <summary>
    /// Whether a request over the loopback address names this machine. A page of another site that gives its own name this machine's address (DNS
    /// rebinding) sends its own name.
    /// </summary>
    private static bool IsOwnHost(HttpContext context) => context.Connection.LocalIpAddress is not { } address || !IPAddress.IsLoopback(address)
        || context.Request.Host.Host is "localhost" or "127.0.0.1" or "[::1]" or "::1";

    private static async Task<CompletionRequest> ReadAsync(HttpContext context)
    {
        try
        {
            return await JsonSerializer.DeserializeAsync<CompletionRequest>(context.Request.Body, Wire.Json, context.RequestAborted)
                ?? throw ApiException.Invalid(null, "The body is null.");
        }
        catch (Exception fault) when (fault is InvalidOperationException or (IOException and not BadHttpRequestException))
        {
            throw ApiException.Invalid(null, $"The body cannot be read: {fault.Message}", cause: fault);
        }
    }

    /// <summary>Converts a request. Texts inside raw JSON are decoded only here, where one that is not Unicode is found.</summary>
    private static (IReadOnlyList<ChatMessage>, ChatOptions) Convert(CompletionRequest request)
    {
        try
        {
            return (request.ToMessages(), request.ToOptions());
        }
        catch (InvalidOperationException fault)
        {
            throw ApiException.Invalid(null, $"The body has a text that is not Unicode: {fault.Message}", cause: fault);
        }
    }

    /// <summary>
    /// Sends server-sent events: a chunk per text, the finish reason with requested log-probabilities, requested usage, and [DONE].
    /// </summary>
    private static async Task StreamAsync(HttpContext context, IAsyncEnumerable<ChatResponseUpdate> updates, LocalModel? local, bool includeUsage)
    {
        var first = true;
        await foreach (var update in updates) // a failure before the first update is still an HTTP error
        {
            if (first)
            {
                (context.Response.ContentType, context.Response.Headers.CacheControl) = ("text/event-stream", "no-cache");
                await WriteEvent(CompletionResponse.Chunk(update, new("assistant", "")).Unfinished());
                first = false;
            }
            await WriteEvent(CompletionResponse.Chunk(update, new(null, update.Text.Length > 0 ? update.Text : null),
                TokenLogprobs.Of(update.RawRepresentation, local)));
            if (includeUsage && update.FinishReason is not null) await WriteEvent(CompletionResponse.UsageChunk(update));
        }
        await WriteText("[DONE]");

        Task WriteEvent(CompletionResponse body) => WriteText(JsonSerializer.Serialize(body, Wire.Json));

        async Task WriteText(string data)
        {
            await context.Response.WriteAsync($"data: {data}\n\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    private static async Task ReportFailures(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has disconnected.
        }
        catch (Exception failure)
        {
            var error = ApiException.Of(failure);
            if (error.Status >= StatusCodes.Status500InternalServerError)
                context.RequestServices.GetRequiredService<ILogger<CompletionRequest>>().LogError(failure, "A request failed.");
            if (context.Response.HasStarted)
                await context.Response.WriteAsync($"data: {JsonSerializer.Serialize(error.Body, Wire.Json)}\n\n", context.RequestAborted);
            else await WriteError(context, error);
        }
    }

    private static ApiException StatusError(HttpContext context) =>
        ApiException.Invalid(null,
            $"{context.Request.Method} {context.Request.Path} is not served: there are POST /v1/chat/completions and GET /v1/models.",
            status: context.Response.StatusCode);

    private static Task WriteError(HttpContext context, ApiException error)
    {
        context.Response.StatusCode = error.Status;
        return context.Response.WriteAsJsonAsync(error.Body, Wire.Json);
    }
}
