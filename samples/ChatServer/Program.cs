// Serves a model through OpenAI's chat completions API:
//   dotnet run --project samples/ChatServer -c Release -- --model FOLDER [--base-model FOLDER] [--urls http://127.0.0.1:5080]
//   curl http://127.0.0.1:5080/v1/chat/completions -H "Content-Type: application/json" -d '{"messages": [{"role": "user", "content": "Hello"}]}'
// FOLDER is a model folder or a model saved by mlContext.Nlft().Save. Default: the small sample model. The server needs no API key; it listens on
// this machine only unless --urls says otherwise. On this machine it answers only requests whose Host header names it; behind a proxy, say
// --AllowedHosts NAME.
using System.Runtime.CompilerServices;
using ChatServer;
using Microsoft.ML.Nlft;

try
{
    var builder = WebApplication.CreateBuilder(args);
    if (builder.Configuration["urls"] is null) builder.WebHost.UseUrls("http://127.0.0.1:5080");
    var folder = builder.Configuration["model"] ?? Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "models", "tiny-word-problems");
    builder.Services.AddNlftChatClient(folder, new() { BaseModelFolder = builder.Configuration["base-model"] });
    await using var app = builder.Build();
    app.MapChatCompletions();
    await app.RunAsync();
    return 0;
}
catch (NlftException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}

static string ThisFile([CallerFilePath] string path = "") => path;
