using System.Collections.Concurrent;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>The tokens and times of one model.</summary>
internal sealed class ModelMetrics
{
    private long _promptTokens, _cachedTokens, _generatedTokens;

    public long PromptTokens => Volatile.Read(ref _promptTokens);
    public long CachedTokens => Volatile.Read(ref _cachedTokens);
    public long GeneratedTokens => Volatile.Read(ref _generatedTokens);

    /// <summary>From a request to the first text of an answer, waiting included.</summary>
    public Histogram TimeToFirstToken { get; } = new();

    /// <summary>The mean time per token after the first text of an answer.</summary>
    public Histogram TimePerOutputToken { get; } = new();

    /// <summary>Counts a complete answer.</summary>
    /// <param name="prompt">Tokens of the prompt.</param>
    /// <param name="cached">Those of them that were not computed.</param>
    /// <param name="generated">Tokens of the answer.</param>
    /// <param name="seconds">From its first text to its end.</param>
    public void Count(long prompt, long cached, long generated, double seconds)
    {
        Interlocked.Add(ref _promptTokens, prompt);
        Interlocked.Add(ref _cachedTokens, cached);
        Interlocked.Add(ref _generatedTokens, generated);
        if (generated > 1) TimePerOutputToken.Observe(seconds / (generated - 1));
    }
}

/// <summary>What GET /metrics shows, in the text format of Prometheus.</summary>
internal sealed class ServerMetrics
{
    private readonly ConcurrentDictionary<(string Endpoint, int Status), long> _requests = new();

    /// <summary>Counts a request.</summary>
    public void Count(string endpoint, int status) => _requests.AddOrUpdate((endpoint, status), 1, (_, count) => count + 1);

    /// <summary>Returns all metrics as text.</summary>
    public string Write(IReadOnlyList<ServedModel> models)
    {
        var text = new StringWriter();
        Begin("nlft_requests_total", "counter", "Requests by endpoint and status; 499: the client left.");
        foreach (var ((endpoint, status), count) in _requests.OrderBy(entry => entry.Key))
            text.Write($"nlft_requests_total{{endpoint=\"{endpoint}\",status=\"{status}\"}} {count}\n");
        PerModel("nlft_prompt_tokens_total", "counter", "Tokens of the prompts of complete answers.", model => model.Metrics.PromptTokens);
        PerModel("nlft_cached_prompt_tokens_total", "counter", "Those of them that were kept of earlier prompts, and so not computed.",
            model => model.Metrics.CachedTokens);
        PerModel("nlft_generated_tokens_total", "counter", "Tokens of complete answers.", model => model.Metrics.GeneratedTokens);
        PerModel("nlft_requests_waiting", "gauge", "Answers that wait for the model.", model => model.Client.WaitingRequests);
        PerModel("nlft_requests_running", "gauge", "Answers that the model is writing.", model => model.Client.RunningRequests);
        Times("nlft_time_to_first_token_seconds", "From the request to the first text, waiting included.", model => model.Metrics.TimeToFirstToken);
        Times("nlft_time_per_output_token_seconds", "Mean time per token after the first text of an answer.",
            model => model.Metrics.TimePerOutputToken);
        return text.ToString();

        void Begin(string name, string type, string help) => text.Write($"# HELP {name} {help}\n# TYPE {name} {type}\n");

        void PerModel(string name, string type, string help, Func<ServedModel, long> value)
        {
            Begin(name, type, help);
            foreach (var model in models) text.Write($"{name}{{{Label(model)}}} {value(model)}\n");
        }

        void Times(string name, string help, Func<ServedModel, Histogram> histogram)
        {
            Begin(name, "histogram", help);
            foreach (var model in models) histogram(model).Write(text, name, Label(model));
        }
    }

    private static string Label(ServedModel model) =>
        $"model=\"{model.Name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
            .Replace("\n", "\\n", StringComparison.Ordinal)}\"";
}
