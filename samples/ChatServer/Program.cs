// Serves a model in the shape of OpenAI's chat completions, for programs that speak that language:
//   dotnet run --project samples/ChatServer -c Release -- --model FOLDER [--base-model FOLDER] [--urls http://127.0.0.1:5080]
//   curl http://127.0.0.1:5080/v1/chat/completions -H "Content-Type: application/json" -d '{"messages": [{"role": "user", "content": "Hello"}]}'
// FOLDER is a model folder or what mlContext.Nlft().Save wrote; left out, it is the small sample model. Nobody is asked for a key: the address
// is this machine's own unless --urls says otherwise.
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
