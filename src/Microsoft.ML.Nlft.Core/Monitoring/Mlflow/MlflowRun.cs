using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring.Mlflow;

/// <summary>Sends one run to the server, off the training thread, in as few requests as its limits allow.</summary>
internal sealed class MlflowRun
{
    /// <summary>The limits of a request, and of the texts of a parameter.</summary>
    private const int MostMetrics = 1000, MostParameters = 100, LongestKey = 250, LongestValue = 6000;

    private readonly MlflowClient _client;
    private readonly MlflowOptions _options;
    private readonly Channel<JsonObject> _metrics = Channel.CreateUnbounded<JsonObject>(new() { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;
    private string _status = "FAILED";

    /// <summary>Begins to send a run.</summary>
    public MlflowRun(MlflowClient client, MlflowOptions options, RunDescription run)
    {
        (_client, _options) = (client, options);
        var start = Now;
        _work = Task.Run(() => SendAsync(run, start));
    }

    private long Now => _options.TimeProvider.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Adds the figures of a step.</summary>
    public void Add(TrainingProgress value)
    {
        Metric("loss", value.Loss, value.Step);
        Metric("token_accuracy", value.TokenAccuracy, value.Step);
        Metric("salient_share", value.SalientShare, value.Step);
        Metric("gradient_norm", value.GradientNorm, value.Step);
        Metric("learning_rate", value.LearningRate, value.Step);
        Metric("tokens_seen", value.TokensSeen, value.Step);
        Metric("tokens_per_second", value.TokensPerSecond, value.Step);
        Metric("epoch", value.Epoch, value.Step);
        foreach (var report in value.Validation)
        {
            Metric("validation.loss", report.Loss, report.Step);
            if (report.Accuracy is { } accuracy) Metric("validation.accuracy", accuracy, report.Step);
        }
    }

    /// <summary>Ends the run and waits until it is sent, for a limited time.</summary>
    public void End(FineTuneResult? result)
    {
        _status = result is null ? "FAILED" : result.Cancelled ? "KILLED" : "FINISHED";
        _metrics.Writer.TryComplete();
        if (_work.Wait(_options.EndTimeout)) return;
        _stop.Cancel();
        _work.Wait();
    }

    private void Metric(string key, double value, int step) => _metrics.Writer.TryWrite(new JsonObject
    {
        ["key"] = key, ["timestamp"] = Now, ["step"] = step,
        ["value"] = double.IsFinite(value) ? value : double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity",
    });

    private async Task SendAsync(RunDescription run, long start)
    {
        try
        {
            var id = await CreateAsync(run, start).ConfigureAwait(false);
            foreach (var parameters in Parameters(run).Chunk(MostParameters)) await LogAsync(id, "params", parameters).ConfigureAwait(false);
            while (await _metrics.Reader.WaitToReadAsync(_stop.Token).ConfigureAwait(false))
            {
                var metrics = new List<JsonNode>();
                while (metrics.Count < MostMetrics && _metrics.Reader.TryRead(out var metric)) metrics.Add(metric);
                await LogAsync(id, "metrics", metrics).ConfigureAwait(false);
            }
            var end = new JsonObject { ["run_id"] = id, ["status"] = _status, ["end_time"] = Now };
            await _client.PostAsync("runs/update", end, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is NlftException or OperationCanceledException)
        {
            _metrics.Writer.TryComplete();
            var reason = error is NlftException ? error.Message
                : $"MLflow: the server did not take the run within {_options.EndTimeout.TotalSeconds} s.";
            (_options.Warn ?? Console.Error.WriteLine)($"{reason} The training does not depend on it; the run is not recorded there any further.");
        }
    }

    private async Task<string> CreateAsync(RunDescription run, long start)
    {
        var body = new JsonObject
        {
            ["experiment_id"] = await _client.ExperimentAsync(_options.Experiment, _stop.Token).ConfigureAwait(false),
            ["start_time"] = start,
            ["tags"] = new JsonArray([.. Pairs([("nlft.model", run.Model), ("nlft.method", run.Method), ("nlft.version", LibraryVersion.Short)])]),
        };
        if (_options.RunName is { } name) body["run_name"] = name;
        return (await _client.PostAsync("runs/create", body, _stop.Token).ConfigureAwait(false))!.Value["run"]["info"]["run_id"].String();
    }

    private async Task LogAsync(string id, string kind, IEnumerable<JsonNode> entries) =>
        await _client.PostAsync("runs/log-batch", new() { ["run_id"] = id, [kind] = new JsonArray([.. entries]) }, _stop.Token).ConfigureAwait(false);

    private static IEnumerable<JsonNode> Parameters(RunDescription run) =>
        Pairs([("model", run.Model), ("method", run.Method), ("rows", $"{run.Rows}"), ("validation_rows", $"{run.ValidationRows}"),
            .. run.Options.Select(option => ($"{option.Group}.{option.Name}", option.Value))]);

    private static IEnumerable<JsonNode> Pairs(IEnumerable<(string Key, string Value)> pairs) => pairs.Select(pair =>
        new JsonObject { ["key"] = Start(pair.Key, LongestKey), ["value"] = Start(pair.Value, LongestValue) });

    private static string Start(string text, int longest) =>
        text.Length <= longest ? text : text[..(char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest)];
}
