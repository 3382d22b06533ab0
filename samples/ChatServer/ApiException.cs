using System.Text.Json;
using Microsoft.ML.Nlft;

namespace ChatServer;

/// <summary>A failure reported to the client as an OpenAI error object.</summary>
internal sealed class ApiException(int status, string type, string message, string? parameter, string? code, Exception? cause = null)
    : Exception(message, cause)
{
    public int Status => status;

    /// <summary>The response body.</summary>
    public object Body => new { error = new { message = Message, type, param = parameter, code } };

    public static ApiException Invalid(string? parameter, string message, string? code = null, int status = StatusCodes.Status400BadRequest,
        Exception? cause = null) =>
        new(status, "invalid_request_error", message, parameter, code, cause);

    /// <summary>Converts any exception: client errors in full, others without details.</summary>
    public static ApiException Of(Exception failure) => failure switch
    {
        ApiException told => told,
        NlftException fault => Invalid(null, fault.Message, cause: fault),
        JsonException fault => Invalid(null, $"The body is no valid JSON for this request: {fault.Message}", cause: fault),
        BadHttpRequestException fault => Invalid(null, fault.Message, status: fault.StatusCode, cause: fault),
        _ => new(StatusCodes.Status500InternalServerError, "api_error", "The server failed; its log says why.", null, null, failure),
    };
}
