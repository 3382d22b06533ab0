using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>
/// Serves a web page on this machine that follows a run: progress, curves of loss, validation loss, token accuracy and salient share, sample answers,
/// the options, the saliency map of the recorded rows, and the curves of earlier runs. Nothing listens unless an instance is created.
/// </summary>
/// <remarks>
/// The page listens on 127.0.0.1 only, answers GET requests whose Host header names that address, and sends its data as server-sent events. A slow or
/// lost browser never delays the run. The page can be opened, closed and opened again until the object is disposed; it always shows the run from its
/// beginning.
/// </remarks>
/// <example>
/// <code>
/// using var live = new LivePage();
/// Console.WriteLine($"Follow the run at {live.Address}");
/// model.FineTune(rows, objective, monitor: live);
/// </code>
/// </example>
public sealed class LivePage : ITrainingMonitor, IDisposable
{
    private const string PagePolicy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:";
    private const string MapPolicy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

    private static readonly TimeSpan s_heartbeat = TimeSpan.FromSeconds(10), s_farewell = TimeSpan.FromSeconds(1);

    private readonly LoopbackServer _server;
    private readonly Lock _lock = new();
    private readonly List<RecordedEpoch> _recorded = [];
    private readonly LiveFeed _feed = new();
    private readonly TimeProvider _time;
    private readonly List<TrainingProgress> _steps = [];
    private readonly KeptRuns? _kept;
    private RunDescription? _run;
    private DateTimeOffset _began;
    private int _followers;

    /// <summary>Starts to listen.</summary>
    /// <param name="port">The TCP port, 0 to 65535. Default 0: any free port.</param>
    /// <param name="timeProvider">The clock that says when a run began; null: the system clock.</param>
    /// <param name="runs">
    /// A folder that keeps the curves of runs: the page shows those of the newest six beside the new one. Default null: only runs that this object
    /// followed are shown.
    /// </param>
    /// <exception cref="NlftException">The port is in use or out of range, or a file of the folder is damaged.</exception>
    public LivePage(int port = 0, TimeProvider? timeProvider = null, string? runs = null)
    {
        _kept = runs is null ? null : new KeptRuns(runs);
        foreach (var earlier in _kept?.Read() ?? []) _feed.Add("earlier", earlier);
        (_time, _server) = (timeProvider ?? TimeProvider.System, new LoopbackServer(port, AnswerAsync));
    }

    /// <summary>Gets the address of the page.</summary>
    public Uri Address => new(string.Create(CultureInfo.InvariantCulture, $"http://{_server.EndPoint}/"));

    /// <summary>Serves one request on a connection that the caller made.</summary>
    internal Task ServeAsync(Stream connection, CancellationToken cancellationToken) => _server.ServeAsync(connection, cancellationToken);

    /// <inheritdoc/>
    public void Begin(RunDescription run)
    {
        ArgumentNullException.ThrowIfNull(run);
        lock (_lock)
        {
            if (_run is not null && KeptRuns.Describe(_run, _began, _steps) is { } earlier) _feed.Add("earlier", earlier);
            _recorded.Clear();
            _steps.Clear();
            (_run, _began) = (run, _time.GetUtcNow());
            _feed.Add("run", new()
            {
                ["model"] = run.Model, ["method"] = run.Method, ["rows"] = run.Rows,
                ["began"] = _began.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture),
                ["options"] = new JsonArray([.. run.Options.Select(option => new JsonArray(option.Group, option.Name, option.Value))]),
            });
        }
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        lock (_lock) _steps.Add(value with { Recorded = [], Validation = [] });
        _feed.Add("step", new()
        {
            ["step"] = value.Step, ["total"] = value.TotalSteps, ["epoch"] = value.Epoch, ["loss"] = value.Loss,
            ["accuracy"] = value.TokenAccuracy, ["salient"] = value.SalientShare,
            ["norm"] = value.GradientNorm, ["rate"] = value.LearningRate, ["tokens"] = value.TokensSeen, ["speed"] = value.TokensPerSecond,
            ["elapsed"] = value.Elapsed.TotalSeconds, ["left"] = value.Remaining.TotalSeconds,
        });
        foreach (var report in value.Validation)
        {
            _feed.Add("validation", new()
            {
                ["step"] = report.Step, ["epoch"] = report.Epoch, ["loss"] = report.Loss, ["accuracy"] = report.Accuracy,
                ["answered"] = report.Answered, ["best"] = report.IsBest,
                ["answers"] = new JsonArray([.. report.Samples.Select(sample =>
                    new JsonArray(sample.Question, sample.Answer, sample.Expected, sample.Outcome.ToString()))]),
            });
        }
        if (value.Recorded.Count == 0) return;
        lock (_lock) _recorded.AddRange(value.Recorded);
        if (_run?.Map is not null) _feed.Add("recorded", new() { ["epoch"] = value.Recorded[^1].Epoch, ["rows"] = value.Recorded[^1].Rows.Count });
    }

    /// <inheritdoc/>
    public void End(FineTuneResult? result)
    {
        _feed.Add("end", new() { ["how"] = result is null ? "failed" : result.Cancelled ? "cancelled" : "finished" });
        lock (_lock)
        {
            if (_kept is not null && _run is not null && KeptRuns.Describe(_run, _began, _steps) is { } run) _kept.Keep(run, _began);
        }
    }

    /// <summary>Sends open pages the remaining messages, for a second at most, and stops listening.</summary>
    public void Dispose()
    {
        _feed.Close();
        SpinWait.SpinUntil(() => Volatile.Read(ref _followers) == 0, s_farewell);
        _server.Dispose();
    }

    private Task AnswerAsync(LoopbackServer.Request request, CancellationToken cancellationToken) => request.Path switch
    {
        "/" => request.AnswerAsync("200 OK", "text/html; charset=utf-8", Encoding.UTF8.GetBytes(PageResource.Page("Monitoring", "live", "live.js")),
            PagePolicy, cancellationToken),
        "/events" => SendEventsAsync(request, cancellationToken),
        "/map" when Map() is { } map => request.AnswerAsync("200 OK", "text/html; charset=utf-8", map, MapPolicy, cancellationToken),
        _ => request.AnswerAsync("404 Not Found", "text/plain", "404 Not Found"u8.ToArray(), "default-src 'none'", cancellationToken),
    };

    /// <summary>Renders the saliency map of the epochs recorded so far; null when there is none.</summary>
    private byte[]? Map()
    {
        Func<IReadOnlyList<RecordedEpoch>, Saliency.SaliencyMap>? create;
        RecordedEpoch[] recorded;
        lock (_lock) (create, recorded) = (_run?.Map, [.. _recorded]);
        if (create is null || recorded.Length == 0) return null;
        var page = new MemoryStream();
        create(recorded).Write(page);
        return page.ToArray();
    }

    /// <summary>
    /// Sends past and future messages as numbered server-sent events, so that a browser that lost the connection resumes where it was.
    /// </summary>
    private async Task SendEventsAsync(LoopbackServer.Request request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _followers);
        try
        {
            await FollowAsync(request, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _followers);
        }
    }

    private async Task FollowAsync(LoopbackServer.Request request, CancellationToken cancellationToken)
    {
        await request.BeginAsync("200 OK", "text/event-stream", "default-src 'none'", cancellationToken).ConfigureAwait(false);
        var next = request.Headers.TryGetValue("Last-Event-ID", out var last)
            && int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? (int)Math.Min(id + 1L, int.MaxValue) : 0;
        while (true)
        {
            var (messages, more, closed) = _feed.From(next);
            var text = new StringBuilder();
            foreach (var message in messages) text.Append(CultureInfo.InvariantCulture, $"id: {next++}\ndata: {message}\n\n");
            if (text.Length == 0) text.Append(":\n\n"); // a heartbeat; the write fails when the browser is gone
            await request.Stream.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), cancellationToken).ConfigureAwait(false);
            if (closed) return;
            await Task.WhenAny(more, Task.Delay(s_heartbeat, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
