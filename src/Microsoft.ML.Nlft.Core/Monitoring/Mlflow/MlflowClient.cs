using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Monitoring.Mlflow;

/// <summary>Sends requests to the REST API 2.0 of an MLflow tracking server (https://mlflow.org/docs/latest/rest-api.html).</summary>
internal sealed class MlflowClient : IDisposable
{
    private const int Attempts = 4, LongestReply = 200;

    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10), s_firstPause = TimeSpan.FromMilliseconds(250);

    private readonly HttpClient _http;
    private readonly string _server;
    private readonly TimeProvider _time;

    /// <param name="server">The address of the server.</param>
    /// <param name="options">The credentials and the clock.</param>
    public MlflowClient(Uri server, MlflowOptions options)
    {
        (_server, _time) = (server.AbsoluteUri.TrimEnd('/'), options.TimeProvider);
        _http = new HttpClient { Timeout = s_timeout };
        _http.DefaultRequestHeaders.Authorization = options switch
        {
            { UserName: { Length: > 0 } name, Password: { Length: > 0 } password } =>
                new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}"))),
            { Token: { Length: > 0 } token } => new AuthenticationHeaderValue("Bearer", token),
            _ => null,
        };
    }

    /// <summary>Returns the id of an experiment, which is created if it does not exist.</summary>
    /// <exception cref="NlftException">The server cannot be reached, or refuses the request.</exception>
    public async Task<string> ExperimentAsync(string name, CancellationToken cancellationToken)
    {
        var found = await FindAsync().ConfigureAwait(false);
        if (found is not null) return found;
        var created = await PostAsync("experiments/create", new() { ["name"] = name }, cancellationToken, HttpStatusCode.BadRequest)
            .ConfigureAwait(false);
        return created?["experiment_id"].String() // another run may have created it meanwhile
            ?? await FindAsync().ConfigureAwait(false)
            ?? throw new NlftException($"MLflow at {_server}", $"no experiment \"{name}\", and none can be created", "an experiment to write to",
                "Name another experiment.");

        async Task<string?> FindAsync() => (await SendAsync(HttpMethod.Get, $"experiments/get-by-name?experiment_name={Uri.EscapeDataString(name)}",
            null, cancellationToken, HttpStatusCode.NotFound).ConfigureAwait(false))?["experiment"]["experiment_id"].String();
    }

    /// <summary>Sends a request with a body and returns the answer; null: the server answered with the status that is allowed.</summary>
    /// <exception cref="NlftException">The server cannot be reached, or refuses the request.</exception>
    public Task<JsonPlace?> PostAsync(string path, JsonObject body, CancellationToken cancellationToken, HttpStatusCode? allowed = null) =>
        SendAsync(HttpMethod.Post, path, body.ToJsonString(), cancellationToken, allowed);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>Sends a request; when the server is busy or cannot be reached, again after a pause that doubles.</summary>
    private async Task<JsonPlace?> SendAsync(
        HttpMethod method, string path, string? body, CancellationToken cancellationToken, HttpStatusCode? allowed)
    {
        for (var attempt = 1; ; attempt++)
        {
            string found;
            try
            {
                using var request = new HttpRequestMessage(method, $"{_server}/api/2.0/mlflow/{path}");
                if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
                using var response = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
                var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
                if (response.IsSuccessStatusCode) return JsonFile.Parse(bytes, new($"{_server}, {path.Split('?')[0]}", "an answer of MLflow"));
                if (response.StatusCode == allowed) return null;
                var text = Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(bytes.Length, LongestReply)));
                found = string.Create(CultureInfo.InvariantCulture, $"{path.Split('?')[0]} answered {(int)response.StatusCode}: {text}");
                if ((int)response.StatusCode < 500 && response.StatusCode is not HttpStatusCode.TooManyRequests) attempt = Attempts;
            }
            catch (Exception error) when (error is HttpRequestException
                || (error is TaskCanceledException && !cancellationToken.IsCancellationRequested))
            {
                found = error.Message;
            }
            if (attempt >= Attempts)
            {
                throw new NlftException($"MLflow at {_server}", found, "a tracking server that takes the run",
                    "Check the address, the experiment and MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.");
            }
            await Task.Delay(s_firstPause * (1 << (attempt - 1)), _time, cancellationToken).ConfigureAwait(false);
        }
    }
}
