using System.Net;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>A failure that a client is told as an error object of OpenAI's API.</summary>
/// <param name="status">The status of the response.</param>
/// <param name="type">The kind of failure, in OpenAI's words.</param>
/// <param name="message">What is wrong.</param>
/// <param name="parameter">The field at fault, or null.</param>
/// <param name="code">A word for programs, or null.</param>
/// <param name="cause">The exception that revealed the failure.</param>
internal sealed class ApiException(HttpStatusCode status, string type, string message, string? parameter, string? code, Exception? cause = null)
    : Exception(message, cause)
{
    private const string InvalidRequest = "invalid_request_error";

    /// <summary>Options of the library that have another name in a request.</summary>
    private static readonly Dictionary<string, string> s_fields = new()
    {
        ["MaximumNewTokens"] = "max_tokens",
        ["StopStrings"] = "stop",
        ["TopLogProbabilities"] = "top_logprobs",
        ["JsonSchema"] = "response_format",
        ["ChatOptions.ToolMode"] = "tool_choice",
    };

    public HttpStatusCode Status => status;

    /// <summary>Seconds after which the client may try again, or null.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>The response body.</summary>
    public ErrorBody Body => new(new(Message, type, parameter, code));

    public static ApiException Invalid(string? parameter, string message, string? code = null,
        HttpStatusCode status = HttpStatusCode.BadRequest, Exception? cause = null) =>
        new(status, InvalidRequest, message, parameter, code, cause);

    /// <summary>Refuses a field that this server does not have.</summary>
    public static ApiException Unsupported(string parameter, string message) => Invalid(parameter, message, "unsupported_parameter");

    /// <summary>Converts any exception: what the client can correct in full, other failures without details.</summary>
    public static ApiException Of(Exception failure) => failure switch
    {
        ApiException known => known,
        NlftException fault => Invalid(Field(fault), fault.Message, cause: fault),
        ObjectDisposedException => new(HttpStatusCode.ServiceUnavailable, "server_error", "The server is shutting down.", null, null, failure),
        _ => new(HttpStatusCode.InternalServerError, "server_error", "The server failed; its standard error says why.", null, null, failure),
    };

    /// <summary>Returns the field that a refused option stands for.</summary>
    private static string? Field(NlftException fault)
    {
        if (!fault.Subject.StartsWith("option ", StringComparison.Ordinal)) return null;
        var option = fault.Subject["option ".Length..].Split(',', ' ')[0];
        if (option.Split('"') is [_, var quoted, ..]) return quoted;
        return s_fields.GetValueOrDefault(option) ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(option.Split('.')[^1]);
    }
}

/// <summary>The body of an error.</summary>
internal sealed record ErrorBody(ErrorDetails Error);

/// <summary>What went wrong.</summary>
internal sealed record ErrorDetails(string Message, string Type, string? Param, string? Code);
