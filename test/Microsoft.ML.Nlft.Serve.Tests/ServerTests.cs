using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Tool;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>The server around the answers: health, metrics, key, hosts, load and the end.</summary>
[TestClass]
public sealed class ServerTests
{
    private const string Question = RunningServer.Question;

    /// <summary>An answer that takes minutes unless it is ended.</summary>
    private const string Endless = $"{{{Question}, 'max_tokens': 16000, 'stream': true}}";

    [TestMethod]
    public async Task Get_Health_IsOk()
    {
        await using var server = await RunningServer.StartAsync();
        Assert.AreEqual("{\"status\":\"ok\"}", await server.Http.GetStringAsync("/health"));
    }

    [TestMethod]
    public async Task Get_Metrics_CountsRequestsTokensAndTimes()
    {
        await using var server = await RunningServer.StartAsync();
        var usage = (await server.PostAsync($"{{{Question}, 'max_tokens': 5, 'n': 2}}")).Body.GetProperty("usage");
        await server.PostAsync("{}");
        await server.PostAsync("{'prompt': 'abc', 'max_tokens': 1}", "/v1/completions");
        await server.Http.GetAsync("/nothing");
        using var response = await server.Http.GetAsync("/metrics");
        Assert.AreEqual("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        var text = await response.Content.ReadAsStringAsync();
        var prompt = usage.GetProperty("prompt_tokens").GetInt32() + server.Model.Tokenizer.Encode("abc", addSpecialTokens: true).Length;
        foreach (var line in new[]
        {
            "nlft_requests_total{endpoint=\"/v1/chat/completions\",status=\"200\"} 1",
            "nlft_requests_total{endpoint=\"/v1/chat/completions\",status=\"400\"} 1",
            "nlft_requests_total{endpoint=\"/v1/completions\",status=\"200\"} 1",
            "nlft_requests_total{endpoint=\"other\",status=\"404\"} 1",
            $"nlft_prompt_tokens_total{{model=\"tiny\"}} {prompt}",
            "nlft_generated_tokens_total{model=\"tiny\"} 11",
            "nlft_requests_waiting{model=\"tiny\"} 0",
            "nlft_requests_running{model=\"tiny\"} 0",
            "nlft_time_to_first_token_seconds_count{model=\"tiny\"} 3",
            "nlft_time_to_first_token_seconds_bucket{model=\"tiny\",le=\"+Inf\"} 3",
            "nlft_time_per_output_token_seconds_count{model=\"tiny\"} 2",
        })
        {
            StringAssert.Contains(text, line + "\n");
        }
        var cached = usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32(); // 0, unless the second answer starts later
        StringAssert.Contains(text, $"nlft_cached_prompt_tokens_total{{model=\"tiny\"}} {cached}\n");
        foreach (var line in text.TrimEnd('\n').Split('\n')) // the grammar of the format
        {
            Assert.IsTrue(Regex.IsMatch(line, "^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+\\{([a-z]+=\"[^\"]*\",?)+\\} [0-9.E+-]+)$"), line);
        }
    }

    [TestMethod]
    [DataRow(null, 401)]
    [DataRow("Bearer wrong", 401)]
    [DataRow("Basic secret", 401)]
    [DataRow("Bearer secret", 200)]
    public async Task Request_ApiKey_IsRequired(string? header, int status)
    {
        await using var server = await RunningServer.StartAsync(apiKey: "secret");
        Assert.AreEqual("{\"status\":\"ok\"}", await server.Http.GetStringAsync("/health"));
        if (header is not null) server.Http.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(header);
        var (answered, body) = await server.PostAsync($"{{{Question}}}");
        Assert.AreEqual(status, answered);
        Assert.AreEqual(status, (int)(await server.Http.GetAsync("/metrics")).StatusCode);
        if (status == 401) Assert.AreEqual("invalid_api_key", body.GetProperty("error").GetProperty("code").GetString());
        Assert.DoesNotContain("secret", server.Error + body.GetRawText());
    }

    [TestMethod]
    [DataRow("", "proxy.example", 403)]
    [DataRow("--allowed-hosts proxy.example", "Proxy.Example:443", 200)]
    [DataRow("--allowed-hosts proxy.example", "evil.example", 403)]
    [DataRow("--allowed-hosts proxy.example", "localhost", 200)]
    [DataRow("--allowed-hosts *", "evil.example", 200)]
    [DataRow("--host 0.0.0.0", "evil.example", 403)]
    public async Task Request_Host_IsChecked(string arguments, string host, int status)
    {
        await using var server = await RunningServer.StartAsync(arguments);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models") { Headers = { Host = host } };
        using var response = await server.Http.SendAsync(request);
        Assert.AreEqual(status, (int)response.StatusCode);
        Assert.AreEqual(arguments.StartsWith("--host", StringComparison.Ordinal),
            server.Error.Contains("there is no --api-key", StringComparison.Ordinal));
    }

    [TestMethod]
    [Timeout(300_000, CooperativeCancellation = true)]
    public async Task Post_BeyondMaximumAnswers_IsToldToTryAgain()
    {
        await using var server = await RunningServer.StartAsync("--maximum-answers 2");
        using var leave = new CancellationTokenSource();
        var clients = new List<Task>();
        foreach (var state in new[] { "running", "waiting" })
        {
            clients.Add(server.Http.PostAsync("/v1/chat/completions", RunningServer.Body(Endless.Replace("true", "false", StringComparison.Ordinal)),
                leave.Token));
            await server.WaitForMetricAsync($"nlft_requests_{state}{{model=\"tiny\"}} 1");
        }
        using var response = await server.Http.PostAsync("/v1/chat/completions", RunningServer.Body($"{{{Question}}}"));
        Assert.AreEqual(503, (int)response.StatusCode);
        Assert.AreEqual("2", response.Headers.GetValues("Retry-After").Single());
        var error = JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.AreEqual("The server has 2 answers to write already. Try again in 2 seconds.", error.GetProperty("message").GetString());
        Assert.AreEqual("overloaded", error.GetProperty("code").GetString());
        await leave.CancelAsync();
        foreach (var client in clients) await Assert.ThrowsAsync<OperationCanceledException>(() => client);
        await server.WaitForMetricAsync("nlft_requests_total{endpoint=\"/v1/chat/completions\",status=\"499\"} 2");
        Assert.AreEqual(200, (await server.PostAsync($"{{{Question}}}")).Status); // both places are free again
    }

    [TestMethod]
    [Timeout(300_000, CooperativeCancellation = true)]
    public async Task Stop_RunningAnswer_EndsFirst()
    {
        await using var server = await RunningServer.StartAsync("--stop-timeout 600");
        var events = new List<string>();
        Task<int>? stopped = null;
        await foreach (var data in server.StreamAsync($"{{{Question}, 'max_tokens': 400, 'stream': true, 'temperature': 1, 'seed': 1}}"))
        {
            stopped ??= server.StopAsync();
            events.Add(data);
        }
        Assert.AreEqual("[DONE]", events[^1]);
        Assert.AreEqual(ExitCode.Success, await stopped!);
        StringAssert.Contains(server.Error, "Stopping: running answers have 600 s to end.");
        await Assert.ThrowsAsync<HttpRequestException>(() => server.Http.GetAsync("/health"));
    }

    [TestMethod]
    [Timeout(300_000, CooperativeCancellation = true)]
    public async Task Stop_AnswerBeyondTheTimeout_IsEnded()
    {
        await using var server = await RunningServer.StartAsync("--stop-timeout 0");
        Task<int>? stopped = null;
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            await foreach (var _ in server.StreamAsync(Endless)) stopped ??= server.StopAsync();
        });
        Assert.AreEqual(ExitCode.Success, await stopped!);
    }
}
