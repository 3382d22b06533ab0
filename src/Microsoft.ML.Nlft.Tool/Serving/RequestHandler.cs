using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Answers HTTP requests: chooses the endpoint, checks host and key, and turns failures into error objects.</summary>
/// <param name="models">The models.</param>
/// <param name="options">What is accepted.</param>
/// <param name="apiKey">The key that requests must bear; null: none.</param>
/// <param name="log">Receives failures of the server.</param>
/// <param name="clock">The clock of responses and metrics.</param>
internal sealed class RequestHandler(ServedModels models, ServerOptions options, string? apiKey, TextWriter log, TimeProvider clock)
{
    private const string Chat = "/v1/chat/completions", Text = "/v1/completions", Models = "/v1/models", Health = "/health", Metrics = "/metrics";
    private const int ClientLeft = 499; // as nginx counts it

    private readonly ServerMetrics _metrics = new();
    private readonly AnswerLimit _limit = new(options.MaximumAnswers);
    private readonly byte[]? _keyHash = apiKey is null ? null : SHA256.HashData(Encoding.UTF8.GetBytes(apiKey));

    /// <summary>Answers a request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        var (endpoint, method) = Endpoint(context.Request.Path.Value ?? "");
        var status = 0;
        try
        {
            if (endpoint != Health)
            {
                RequireHost(context);
                RequireKey(context);
            }
            RequireMethod(context, endpoint, method);
            await AnswerAsync(context, endpoint);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            status = ClientLeft;
        }
        catch (Exception failure)
        {
            await ReportAsync(context, failure);
        }
        finally
        {
            _metrics.Count(endpoint ?? "other", status != 0 ? status : context.Response.StatusCode);
        }
    }

    private static (string? Endpoint, string Method) Endpoint(string path) => path switch
    {
        Chat or Text => (path, HttpMethods.Post),
        Models or Health or Metrics => (path, HttpMethods.Get),
        _ when path.StartsWith(Models + "/", StringComparison.Ordinal) => (Models, HttpMethods.Get),
        _ => (null, ""),
    };

    private Task AnswerAsync(HttpContext context, string? endpoint) => endpoint switch
    {
        Chat => CompleteAsync(context, Wire.Json.ChatRequest, Wire.Json.ChatCompletion, (request, model) => Answers.To(request, model, clock),
            ChatCompletions.WholeAsync, ChatCompletions.ChunksAsync),
        Text => CompleteAsync(context, Wire.Json.TextRequest, Wire.Json.TextCompletion, (request, model) => Answers.To(request, model, clock),
            TextCompletions.WholeAsync, TextCompletions.ChunksAsync),
        Models when context.Request.Path.Value![Models.Length..] is ['/', .. var id] =>
            context.Response.WriteAsJsonAsync(models.Entry(models.Find(Uri.UnescapeDataString(id))), Wire.Json.ModelEntry),
        Models => context.Response.WriteAsJsonAsync(models.List(), Wire.Json.ModelList),
        Health => context.Response.WriteAsJsonAsync(new HealthBody("ok"), Wire.Json.HealthBody),
        _ => WriteMetricsAsync(context),
    };

    /// <summary>Answers a request for completions of either kind, whole or as a stream.</summary>
    private async Task CompleteAsync<TRequest, TBody>(HttpContext context, JsonTypeInfo<TRequest> requests, JsonTypeInfo<TBody> bodies,
        Func<TRequest, ServedModel, Answers> start, Func<Answers, CancellationToken, Task<TBody>> whole,
        Func<Answers, bool, CancellationToken, IAsyncEnumerable<TBody>> chunks) where TRequest : GenerationRequest
    {
        var request = await ReadAsync(context, requests);
        var model = models.Find(request.Model);
        using var place = _limit.Enter(request.AnswerCount);
        var (answers, left) = (Wire.Decode(() => start(request, model)), context.RequestAborted);
        if (request.Stream is true) await StreamAsync(context, chunks(answers, request.StreamOptions?.IncludeUsage is true, left), bodies);
        else await context.Response.WriteAsJsonAsync(await whole(answers, left), bodies, cancellationToken: left);
    }

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type) where T : class
    {
        // A page of another origin cannot send this type without asking first, and nothing here answers such a question.
        if (!context.Request.HasJsonContentType())
        {
            throw ApiException.Invalid(null, "The body must have the content type application/json.", status: HttpStatusCode.UnsupportedMediaType);
        }
        try
        {
            return await Wire.ReadAsync(context.Request.Body, type, context.RequestAborted);
        }
        catch (BadHttpRequestException fault)
        {
            throw ApiException.Invalid(null, $"The body cannot be read: {fault.Message}", status: (HttpStatusCode)fault.StatusCode, cause: fault);
        }
        catch (IOException fault)
        {
            throw ApiException.Invalid(null, $"The body cannot be read: {fault.Message}", cause: fault);
        }
    }

    /// <summary>Sends server-sent events: the chunks, then [DONE]. A failure before the first chunk is still an HTTP error.</summary>
    private static async Task StreamAsync<T>(HttpContext context, IAsyncEnumerable<T> chunks, JsonTypeInfo<T> type)
    {
        await foreach (var chunk in chunks)
        {
            if (!context.Response.HasStarted)
            {
                (context.Response.ContentType, context.Response.Headers.CacheControl) = ("text/event-stream", "no-cache");
                context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx would collect the events
            }
            await WriteEventAsync(context, JsonSerializer.Serialize(chunk, type));
        }
        await WriteEventAsync(context, "[DONE]");
    }

    private static async Task WriteEventAsync(HttpContext context, string data)
    {
        await context.Response.WriteAsync($"data: {data}\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private Task WriteMetricsAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return context.Response.WriteAsync(_metrics.Write(models.All));
    }

    /// <summary>
    /// Refuses a request over the loopback address that does not name this machine: a page of another site that gives its own name this machine's
    /// address (DNS rebinding) sends its own name.
    /// </summary>
    private void RequireHost(HttpContext context)
    {
        var host = context.Request.Host.Host;
        var isLocal = context.Connection.LocalIpAddress is { } address && IPAddress.IsLoopback(address);
        var known = options.AllowedHosts.Any(name => name == "*" || name.Equals(host, StringComparison.OrdinalIgnoreCase))
            || (isLocal ? host is "localhost" or "127.0.0.1" or "[::1]" or "::1"
                : options.AllowedHosts.Count == 0 || context.Connection.LocalIpAddress is null);
        if (known) return;
        throw ApiException.Invalid(null, $"The host '{context.Request.Host}' is not served: name this machine as localhost, or start the server with "
            + "--allowed-hosts.", status: HttpStatusCode.Forbidden);
    }

    private void RequireKey(HttpContext context)
    {
        if (_keyHash is null) return;
        var given = context.Request.Headers.Authorization.ToString();
        const string scheme = "Bearer ";
        var isBearer = given.StartsWith(scheme, StringComparison.OrdinalIgnoreCase);
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(isBearer ? given[scheme.Length..].Trim() : ""));
        if (CryptographicOperations.FixedTimeEquals(hash, _keyHash) && isBearer) return;
        context.Response.Headers.WWWAuthenticate = "Bearer";
        throw ApiException.Invalid(null, "The API key is missing or wrong: send the server's key in the header Authorization, after \"Bearer \".",
            "invalid_api_key", HttpStatusCode.Unauthorized);
    }

    private static void RequireMethod(HttpContext context, string? endpoint, string method)
    {
        if (endpoint is not null && context.Request.Method == method) return;
        if (endpoint is not null) context.Response.Headers.Allow = method;
        throw ApiException.Invalid(null, $"{context.Request.Method} {context.Request.Path} is not served: there are POST {Chat} and {Text}, and GET "
            + $"{Models}, {Models}/NAME, {Health} and {Metrics}.",
            status: endpoint is null ? HttpStatusCode.NotFound : HttpStatusCode.MethodNotAllowed);
    }

    private async Task ReportAsync(HttpContext context, Exception failure)
    {
        var error = ApiException.Of(failure);
        if (error.Status == HttpStatusCode.InternalServerError) await log.WriteLineAsync($"nlft: {context.Request.Path} failed: {failure}");
        if (context.Response.HasStarted)
        {
            await WriteEventAsync(context, JsonSerializer.Serialize(error.Body, Wire.Json.ErrorBody));
            return;
        }
        context.Response.StatusCode = (int)error.Status;
        if (error.RetryAfter is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        await context.Response.WriteAsJsonAsync(error.Body, Wire.Json.ErrorBody);
    }
}
