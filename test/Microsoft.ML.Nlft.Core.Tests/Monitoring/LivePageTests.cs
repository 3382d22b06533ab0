using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

[TestClass]
public sealed class LivePageTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Address_Default_IsLoopbackOnly()
    {
        using var live = new LivePage();
        Assert.AreEqual("127.0.0.1", live.Address.Host);
        var others = Dns.GetHostAddresses(Dns.GetHostName())
            .Where(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address)).ToArray();
        foreach (var address in others)
        {
            using var client = new TcpClient();
            Assert.ThrowsExactly<SocketException>(() => client.Connect(address, live.Address.Port), $"{address} answers");
        }
    }

    [TestMethod]
    public async Task Get_Page_ForbidsOtherSources()
    {
        using var live = new LivePage();
        using var client = new HttpClient();
        var answer = await client.GetAsync(live.Address, TestContext.CancellationToken);
        Assert.AreEqual(HttpStatusCode.OK, answer.StatusCode);
        Assert.AreEqual("text/html; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
        Assert.Contains("default-src 'none'", answer.Headers.GetValues("Content-Security-Policy").Single());
        Assert.AreEqual(HttpStatusCode.NotFound, (await client.GetAsync(new Uri(live.Address, "map"), TestContext.CancellationToken)).StatusCode);
        Assert.AreEqual(HttpStatusCode.NotFound, (await client.GetAsync(new Uri(live.Address, "../../etc/passwd"),
            TestContext.CancellationToken)).StatusCode);
        Assert.AreEqual(HttpStatusCode.MethodNotAllowed, (await client.PostAsync(live.Address, null, TestContext.CancellationToken)).StatusCode);
    }

    [TestMethod]
    [DataRow("evil.example")]
    [DataRow("evil.example:{port}")]
    [DataRow("127.0.0.1")]
    [DataRow("")]
    public async Task Get_ForeignHost_IsForbidden(string host)
    {
        using var live = new LivePage();
        Assert.StartsWith("HTTP/1.1 403 ", await SendAsync(live,
            $"GET / HTTP/1.1\r\nHost: {host.Replace("{port}", $"{live.Address.Port}")}\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 200 ", await SendAsync(live, $"GET / HTTP/1.1\r\nHost: localhost:{live.Address.Port}\r\n\r\n"));
    }

    [TestMethod]
    [DataRow("Host: localhost:{port}\r\nHost: evil.example")]
    [DataRow("Host: evil.example\r\nHost: localhost:{port}")]
    [DataRow("Host: localhost:{port}\r\nhost: localhost:{port}")]
    [DataRow("HOST: localhost:{port}\r\nX: y\r\nHost : localhost:{port}")]
    [DataRow("Host: localhost:{port}\r\nHost:")]
    [DataRow("Host: localhost:{port}\r\n evil.example")]
    [DataRow("Host: localhost:{port}\r\n\tHost: evil.example")]
    [DataRow("Host: localhost:{port}\r\nevil.example")]
    [DataRow("Host: localhost:{port}\r\n: evil.example")]
    [DataRow("Host : localhost:{port}")]
    [DataRow("X: y\nHost: evil.example\r\nHost: localhost:{port}")]
    [DataRow("X: y\rHost: evil.example\r\nHost: localhost:{port}")]
    public async Task Get_DoubtfulHost_IsABadRequest(string hosts)
    {
        using var live = new LivePage();
        Assert.StartsWith("HTTP/1.1 400 ", await SendAsync(live, $"GET / HTTP/1.1\r\n{hosts.Replace("{port}", $"{live.Address.Port}")}\r\n\r\n"));
    }

    [TestMethod]
    [DataRow("2147483647")]
    [DataRow("2147483646")]
    [DataRow("99999999999999999999")]
    [DataRow("-1")]
    [DataRow("x")]
    public async Task Get_EventsFromAnyId_AreServed(string id)
    {
        using var live = new LivePage();
        using var client = new HttpClient();
        live.Begin(Steps.Run);
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(live.Address, "events"));
        request.Headers.TryAddWithoutValidation("Last-Event-ID", id);
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.CancellationToken);
        live.Dispose(); // ends the stream
        Assert.AreNotEqual("", await answer.Content.ReadAsStringAsync(TestContext.CancellationToken));
    }

    [TestMethod]
    public async Task Get_EndlessHead_IsClosed()
    {
        using var live = new LivePage();
        Assert.AreEqual("", await SendAsync(live, "GET / HTTP/1.1\r\n" + new string('a', 20_000)));
    }

    [TestMethod]
    public async Task Events_LateReader_ReplaysAndFollowsTheRun()
    {
        using var live = new LivePage();
        live.Begin(Steps.Run);
        live.Report(Steps.At(1));
        using var client = new HttpClient();
        using var first = await EventsAsync(client, live, last: null);
        Assert.AreEqual("NLFT", (await first.NextAsync()).GetProperty("run").GetProperty("method").GetString());
        Assert.AreEqual(1, (await first.NextAsync()).GetProperty("step").GetProperty("loss").GetDouble());
        var waiting = first.NextAsync();
        live.Report(Steps.At(2));
        Assert.AreEqual(0.5, (await waiting).GetProperty("step").GetProperty("loss").GetDouble());
        Assert.AreEqual("2", first.LastId);

        // A browser that lost the connection resumes where it was; a new one receives everything.
        live.End(new FineTuneResult([], Cancelled: true));
        using var again = await EventsAsync(client, live, last: "1");
        Assert.AreEqual(0.5, (await again.NextAsync()).GetProperty("step").GetProperty("loss").GetDouble());
        Assert.AreEqual("cancelled", (await again.NextAsync()).GetProperty("end").GetProperty("how").GetString());
        live.Dispose();
        Assert.AreEqual("cancelled", (await first.NextAsync()).GetProperty("end").GetProperty("how").GetString());
        Assert.AreEqual(JsonValueKind.Undefined, (await first.NextAsync()).ValueKind, "closed");
    }

    [TestMethod]
    public async Task Report_Validation_FollowsItsStepWithAnswers()
    {
        using var live = new LivePage();
        live.Report(Steps.At(5) with { Validation = [Steps.Evaluation(0, answers: false), Steps.Evaluation(5)] });
        using var client = new HttpClient();
        using var events = await EventsAsync(client, live, last: "0");
        var before = (await events.NextAsync()).GetProperty("validation");
        Assert.AreEqual((0, 2.0, JsonValueKind.Null), (before.GetProperty("step").GetInt32(), before.GetProperty("loss").GetDouble(),
            before.GetProperty("accuracy").ValueKind));
        var after = (await events.NextAsync()).GetProperty("validation");
        Assert.AreEqual((5, 0.5, true), (after.GetProperty("step").GetInt32(), after.GetProperty("accuracy").GetDouble(),
            after.GetProperty("best").GetBoolean()));
        CollectionAssert.AreEqual(new[] { "1 + 1?", "#### 2", "2", "Correct" },
            after.GetProperty("answers")[0].EnumerateArray().Select(text => text.GetString()).ToArray());
    }

    [TestMethod]
    public async Task Report_StalledReader_DoesNotBlock()
    {
        using var live = new LivePage();
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, live.Address.Port, TestContext.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{live.Address.Port}\r\n\r\n"),
            TestContext.CancellationToken);
        live.Begin(Steps.Run);
        for (var step = 1; step <= 50_000; step++) live.Report(Steps.At(step, 50_000)); // far more than the buffers of a connection
        using var other = new HttpClient();
        Assert.AreEqual(HttpStatusCode.OK, (await other.GetAsync(live.Address, TestContext.CancellationToken)).StatusCode);
    }

    [TestMethod]
    public void Constructor_PortInUse_IsRefused()
    {
        using var live = new LivePage();
        var error = Assert.ThrowsExactly<NlftException>(() => new LivePage(live.Address.Port));
        Assert.AreEqual($"port {live.Address.Port} of 127.0.0.1", error.Subject);
        Assert.AreEqual("option port: found 70000; expected 0 (any free port) to 65535. Leave it out for a free port.",
            Assert.ThrowsExactly<NlftException>(() => new LivePage(70000)).Message);
    }

    [TestMethod]
    public async Task Begin_FolderOfRuns_ShowsTheNewestOnes()
    {
        using var folder = new TemporaryFolder();
        for (var run = 1; run <= 8; run++)
        {
            using var page = new LivePage(runs: folder.Path);
            page.Begin(Steps.Run with { Rows = run });
            for (var step = 1; step <= 1200; step++) page.Report(Steps.At(step, 1200));
            page.End(result: null);
        }
        Assert.HasCount(8, Directory.GetFiles(folder.Path));

        using var live = new LivePage(runs: folder.Path);
        live.Begin(Steps.Run);
        using var client = new HttpClient();
        using var events = await EventsAsync(client, live, last: null);
        for (var run = 3; run <= 8; run++)
        {
            var earlier = (await events.NextAsync()).GetProperty("earlier");
            Assert.StartsWith($"NLFT on {run} rows, ", earlier.GetProperty("name").GetString());
            var loss = earlier.GetProperty("loss").EnumerateArray().ToList();
            Assert.HasCount(401, loss, "every third step and the last");
            Assert.AreEqual((1200, 1.0 / 1200), (loss[^1][0].GetInt32(), loss[^1][1].GetDouble()));
            Assert.AreEqual(401, earlier.GetProperty("norm").GetArrayLength());
        }
        Assert.AreEqual(25, (await events.NextAsync()).GetProperty("run").GetProperty("rows").GetInt32());
    }

    [TestMethod]
    public async Task Begin_SecondRun_ShowsTheFirstBesideIt()
    {
        using var live = new LivePage();
        live.Begin(Steps.Run);
        live.Report(Steps.At(1));
        live.End(result: null);
        live.Begin(Steps.Run);
        using var client = new HttpClient();
        using var events = await EventsAsync(client, live, last: null);
        var kinds = new List<string>();
        for (var i = 0; i < 5; i++) kinds.Add((await events.NextAsync()).EnumerateObject().Single().Name);
        CollectionAssert.AreEqual(new[] { "run", "step", "end", "earlier", "run" }, kinds);
    }

    [TestMethod]
    [DataRow("{\"name\": 1}", "\"name\": found 1; expected a string.")]
    [DataRow("{\"name\": \"a\", \"loss\": [[1]]}", "\"loss[0]\": found [1]; expected a step and a value.")]
    [DataRow("no JSON", "found invalid JSON")]
    public void Construct_DamagedRun_IsRefused(string text, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("run-20250102-030405.json", text);
        var refused = Assert.ThrowsExactly<NlftException>(() => new LivePage(runs: folder.Path)).Message;
        Assert.StartsWith(path, refused);
        Assert.Contains(message, refused);
        Assert.EndsWith("Delete the file, or name another folder.", refused);
    }

    private async Task<string> SendAsync(LivePage live, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, live.Address.Port, TestContext.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.CancellationToken);
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            for (int read; (read = await client.GetStream().ReadAsync(buffer, TestContext.CancellationToken)) > 0;)
                answer.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }
        catch (IOException)
        {
            // Closing a connection with unread data resets it.
        }
        return answer.ToString();
    }

    private async Task<EventReader> EventsAsync(HttpClient client, LivePage live, string? last)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(live.Address, "events"));
        if (last is not null) request.Headers.Add("Last-Event-ID", last);
        var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.CancellationToken);
        Assert.AreEqual("text/event-stream", answer.Content.Headers.ContentType!.ToString());
        return new EventReader(new StreamReader(await answer.Content.ReadAsStreamAsync(TestContext.CancellationToken)));
    }

    /// <summary>Parses server-sent events, as far as they are used here.</summary>
    private sealed class EventReader(StreamReader reader) : IDisposable
    {
        public string LastId { get; private set; } = "";

        public async Task<JsonElement> NextAsync()
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                if (line.StartsWith("id: ", StringComparison.Ordinal)) LastId = line[4..];
                if (line.StartsWith("data: ", StringComparison.Ordinal)) return JsonSerializer.Deserialize<JsonElement>(line[6..]);
            }
            return default;
        }

        public void Dispose() => reader.Dispose();
    }
}
