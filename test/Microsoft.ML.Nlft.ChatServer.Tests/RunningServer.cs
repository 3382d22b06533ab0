using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.ML.Nlft;

namespace ChatServer.Tests;

/// <summary>Runs the sample's server on a free local port with a small random model.</summary>
public sealed class RunningServer : IAsyncDisposable
{
    private readonly ByteModelFolder _folder = new(maximumPositions: 16384);
    private readonly WebApplication _app;

    private RunningServer()
    {
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddNlftChatClient(_folder.Path, new() { ModelId = "tiny", Generation = new() { MaximumNewTokens = 12 } });
        _app = builder.Build();
        _app.MapChatCompletions();
    }

    public HttpClient Http { get; private set; } = null!;

    public Uri Address => new(_app.Urls.Single());

    public LocalModel Model => _app.Services.GetRequiredService<IChatClient>().GetService<LocalModel>()!;

    public static async Task<RunningServer> StartAsync()
    {
        var server = new RunningServer();
        await server._app.StartAsync();
        server.Http = new HttpClient { BaseAddress = server.Address };
        return server;
    }

    /// <summary>Posts a body in single quotes and returns the JSON answer.</summary>
    public async Task<(int Status, JsonElement Body)> PostAsync(string json)
    {
        using var response = await Http.PostAsync("/v1/chat/completions", Body(json));
        Assert.AreEqual("application/json", response.Content.Headers.ContentType?.MediaType);
        return ((int)response.StatusCode, JsonElement.Parse(await response.Content.ReadAsStringAsync()));
    }

    /// <summary>Posts a body in single quotes and returns the events as they arrive.</summary>
    public async IAsyncEnumerable<string> StreamAsync(string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Body(json) };
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.AreEqual("text/event-stream", response.EnsureSuccessStatusCode().Content.Headers.ContentType?.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.Length == 0) continue;
            StringAssert.StartsWith(line, "data: ");
            yield return line[6..];
        }
    }

    public static StringContent Body(string json) => new(json.Replace('\'', '"'), Encoding.UTF8, "application/json");

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
        _folder.Dispose();
    }
}
