using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>Runs <c>nlft serve</c> in this process on a free port, with a small random model named tiny.</summary>
public sealed partial class RunningServer : IAsyncDisposable
{
    /// <summary>A question, as a field of a body in single quotes.</summary>
    public const string Question = "'messages': [{'role': 'user', 'content': 'What is 2 + 3?'}]";

    private readonly ByteModelFolder _folder;
    private readonly CancellationTokenSource _stop = new();
    private readonly ErrorText _error = new();
    private Task<int> _run = Task.FromResult(-1);

    private RunningServer(string? template)
    {
        _folder = template is null ? new(maximumPositions: 16384) : new(template, maximumPositions: 16384);
        Model = LocalModel.Load(_folder.Path);
    }

    public HttpClient Http { get; private set; } = null!;

    public Uri Address => Http.BaseAddress!;

    /// <summary>The model that is served, loaded once more.</summary>
    public LocalModel Model { get; }

    /// <summary>What the server wrote to its standard error.</summary>
    public string Error => _error.ToString();

    public string ModelFolder => _folder.Path;

    /// <summary>Starts a server.</summary>
    /// <param name="arguments">Further arguments; {adapters} stands for a folder with the adapters a and b.</param>
    /// <param name="apiKey">The variable NLFT_API_KEY.</param>
    /// <param name="template">The chat template; null: one without tools.</param>
    public static async Task<RunningServer> StartAsync(string arguments = "", string? apiKey = null, string? template = null)
    {
        var server = new RunningServer(template);
        if (arguments.Contains("{adapters}", StringComparison.Ordinal))
        {
            foreach (var (name, seed, rank) in new[] { ("a", 1, 2), ("b", 2, 3) }) server.WriteAdapter(name, seed, rank);
        }
        var console = new ToolConsole
        {
            In = TextReader.Null, Out = TextWriter.Null, Error = server._error, Environment = name => name == "NLFT_API_KEY" ? apiKey : null,
        };
        var command = $"serve --model {server._folder.Path} --model-name tiny --port 0 --maximum-new-tokens 12 "
            + arguments.Replace("{adapters}", server._folder.Path, StringComparison.Ordinal);
        string[] words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        server._run = Task.Run(() => new NlftTool(console).RunAsync(words, server._stop.Token));
        await Task.WhenAny(server._run, server._error.Listening);
        if (!server._error.Listening.IsCompleted) Assert.Fail($"The server ended with {await server._run}: {server.Error}");
        var address = new Uri(Announced().Match(server.Error).Groups[1].Value);
        server.Http = new HttpClient { BaseAddress = new UriBuilder(address) { Host = "127.0.0.1" }.Uri };
        return server;
    }

    /// <summary>Loads the model with one of the adapters.</summary>
    public LocalModel LoadWith(string adapter) =>
        LocalModel.Load(_folder.Path, new() { Adapter = LoraAdapter.Load(Path.Combine(_folder.Path, adapter)) });

    /// <summary>Asks the server to stop, as Ctrl+C does, and returns the exit code.</summary>
    public async Task<int> StopAsync()
    {
        await _stop.CancelAsync();
        return await _run;
    }

    /// <summary>Posts a body in single quotes and returns the JSON answer.</summary>
    public async Task<(int Status, JsonElement Body)> PostAsync(string json, string path = "/v1/chat/completions")
    {
        using var response = await Http.PostAsync(path, Body(json));
        Assert.AreEqual("application/json", response.Content.Headers.ContentType?.MediaType);
        return ((int)response.StatusCode, JsonElement.Parse(await response.Content.ReadAsStringAsync()));
    }

    /// <summary>Posts a body in single quotes and returns the events as they arrive.</summary>
    public async IAsyncEnumerable<string> StreamAsync(string json, string path = "/v1/chat/completions")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Body(json) };
        using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.AreEqual("text/event-stream", response.EnsureSuccessStatusCode().Content.Headers.ContentType?.MediaType);
        Assert.AreEqual("no", response.Headers.GetValues("X-Accel-Buffering").Single());
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.Length == 0) continue;
            Assert.StartsWith("data: ", line);
            yield return line[6..];
        }
    }

    /// <summary>Waits until a metric has a value.</summary>
    public async Task WaitForMetricAsync(string line)
    {
        while (!(await Http.GetStringAsync("/metrics")).Contains($"{line}\n", StringComparison.Ordinal)) await Task.Delay(5);
    }

    public static StringContent Body(string json) => new(json.Replace('\'', '"'), Encoding.UTF8, "application/json");

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await StopAsync();
        Model.Dispose();
        _folder.Dispose();
        _stop.Dispose();
    }

    private void WriteAdapter(string name, int seed, int rank)
    {
        var (lora, random) = (new LoraConfiguration { Rank = rank, TargetModules = ["q_proj", "down_proj"] }, new Random(seed));
        var factors = LoraAdapter.Create(lora, Model.Folder, seed).Factors
            .Select(factor => new NamedTensor(factor.Name, factor.Shape, [.. factor.Values.Select(_ => 4 * random.NextSingle() - 2)]));
        new LoraAdapter(lora, [.. factors]).Save(Path.Combine(_folder.Path, name));
    }

    [GeneratedRegex(@"at (http\S+)/v1;")]
    private static partial Regex Announced();

    /// <summary>The standard error of the server, which says when it listens.</summary>
    private sealed class ErrorText : StringWriter
    {
        private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Listening => _listening.Task;

        public override void WriteLine(string? value)
        {
            lock (_listening) base.WriteLine(value);
            if (value?.Contains("stop with", StringComparison.Ordinal) is true) _listening.TrySetResult();
        }

        public override string ToString()
        {
            lock (_listening) return base.ToString();
        }
    }
}
