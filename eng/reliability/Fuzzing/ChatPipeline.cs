using Microsoft.AspNetCore.Http;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Tool.Serving;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The requests of nlft serve with a tiny model, answered without a socket.</summary>
internal sealed class ChatPipeline
{
    private readonly RequestHandler _handler;

    /// <summary>Loads the model. Its folder is deleted again: a loaded model needs no files.</summary>
    public ChatPipeline()
    {
        var folder = Directory.CreateTempSubdirectory("nlft-fuzz-chat-");
        TinyModel.PutByteModel(folder.FullName);
        var model = LocalModel.Load(folder.FullName, new() { Engine = new ManagedEngine(1) });
        var served = new ServedModel("tiny", model, new() { Generation = new() { MaximumNewTokens = 4 } });
        _handler = new(new ServedModels([served], DateTimeOffset.UnixEpoch), new(), apiKey: null, TextWriter.Null, TimeProvider.System);
        folder.Delete(recursive: true);
    }

    /// <summary>Posts a body; one with a prompt is a text completion.</summary>
    /// <exception cref="NlftException">The answer is a refusal, 4xx.</exception>
    /// <exception cref="InvalidOperationException">The answer says that the server failed, 5xx.</exception>
    public void Post(byte[] body)
    {
        using var answer = new MemoryStream();
        var context = new DefaultHttpContext();
        var path = body.AsSpan().IndexOf("\"prompt\""u8) >= 0 ? "/v1/completions" : "/v1/chat/completions";
        (context.Request.Method, context.Request.Path, context.Request.ContentType) = ("POST", path, "application/json");
        (context.Request.Body, context.Request.ContentLength, context.Response.Body) = (new MemoryStream(body), body.Length, answer);
        _handler.HandleAsync(context).GetAwaiter().GetResult();
        var status = context.Response.StatusCode;
        var text = System.Text.Encoding.UTF8.GetString(answer.GetBuffer(), 0, (int)answer.Length);
        if (status >= StatusCodes.Status500InternalServerError || text.Contains("\"server_error\"", StringComparison.Ordinal))
            throw new InvalidOperationException($"answer {status}: {text}");
        if (status >= StatusCodes.Status400BadRequest) throw new NlftException("request", $"{status}", text, "Send another one.");
    }
}
