using ChatServer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.ML.Nlft.Engines.Managed;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// The chat server of the samples with a tiny model, called without a socket: ASP.NET Core parses the heads of requests, the sample their bodies.
/// </summary>
internal sealed class ChatPipeline
{
    private readonly WebApplication _app;
    private readonly RequestDelegate _pipeline;

    /// <summary>Loads the model. Its folder is deleted again: a loaded model needs no files.</summary>
    public ChatPipeline()
    {
        var model = Directory.CreateTempSubdirectory("nlft-fuzz-chat-");
        TinyModel.PutByteModel(model.FullName);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddNlftChatClient(model.FullName, new()
        {
            ModelId = "tiny", Generation = new() { MaximumNewTokens = 4 }, Engine = new ManagedEngine(1),
        });
        _app = builder.Build();
        _app.MapChatCompletions();
        _app.UseRouting();
        _app.UseEndpoints(_ => { });
        _pipeline = ((IApplicationBuilder)_app).Build();
        model.Delete(recursive: true);
    }

    /// <summary>Posts a body.</summary>
    /// <exception cref="NlftException">The answer is a refusal, 4xx.</exception>
    /// <exception cref="InvalidOperationException">The answer says that the server failed, 5xx.</exception>
    public void Post(byte[] body)
    {
        using var scope = _app.Services.CreateScope();
        using var answer = new MemoryStream();
        var context = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        (context.Request.Method, context.Request.Path, context.Request.ContentType) = ("POST", "/v1/chat/completions", "application/json");
        (context.Request.Body, context.Request.ContentLength, context.Response.Body) = (new MemoryStream(body), body.Length, answer);
        _pipeline(context).GetAwaiter().GetResult();
        var status = context.Response.StatusCode;
        var text = System.Text.Encoding.UTF8.GetString(answer.GetBuffer(), 0, (int)answer.Length);
        if (status >= StatusCodes.Status500InternalServerError || text.Contains("\"api_error\"", StringComparison.Ordinal))
            throw new InvalidOperationException($"answer {status}: {text}");
        if (status >= StatusCodes.Status400BadRequest) throw new NlftException("request", $"{status}", text, "Send another one.");
    }
}
