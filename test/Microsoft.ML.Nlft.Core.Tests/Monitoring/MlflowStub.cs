using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

/// <summary>A tracking server that keeps what it is sent, and answers as MLflow does.</summary>
internal sealed class MlflowStub : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Lock _lock = new();

    /// <param name="hasExperiment">Whether the experiment exists already.</param>
    /// <param name="failures">How many requests are answered 503 first.</param>
    public MlflowStub(bool hasExperiment = false, int failures = 0)
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Address = new Uri($"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/");
        }
        _listener.Prefixes.Add(Address.AbsoluteUri);
        _listener.Start();
        (HasExperiment, Failures) = (hasExperiment, failures);
        _ = Task.Run(ServeAsync);
    }

    public Uri Address { get; }

    public bool HasExperiment { get; private set; }

    public int Failures { get; set; }

    /// <summary>Gets the path, the Authorization header and the body of every request that was not answered 503.</summary>
    public List<(string Path, string? Authorization, JsonElement Body)> Requests { get; } = [];

    public IEnumerable<JsonElement> Bodies(string path) => Requests.Where(request => request.Path == path).Select(request => request.Body);

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            using var reader = new StreamReader(context.Request.InputStream);
            var (path, text) = (context.Request.RawUrl!["/api/2.0/mlflow/".Length..], await reader.ReadToEndAsync());
            lock (_lock)
            {
                var (status, answer) = Failures-- > 0 ? (503, "{}") : Answer(path);
                if (status != 503)
                    Requests.Add((path, context.Request.Headers["Authorization"], text.Length == 0 ? default : JsonElement.Parse(text)));
                context.Response.StatusCode = status;
                context.Response.Close(Encoding.UTF8.GetBytes(answer), willBlock: true);
            }
        }
    }

    private (int Status, string Answer) Answer(string path)
    {
        switch (path)
        {
            case "experiments/get-by-name?experiment_name=word%20problems":
                return HasExperiment ? (200, """{"experiment": {"experiment_id": "7", "name": "word problems", "lifecycle_stage": "active"}}""")
                    : (404, """{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Could not find experiment"}""");
            case "experiments/create":
                HasExperiment = true;
                return (200, """{"experiment_id": "7"}""");
            case "runs/create":
                return (200, """{"run": {"info": {"run_id": "abc", "experiment_id": "7", "status": "RUNNING"}, "data": {}}}""");
            case "runs/log-batch" or "runs/update":
                return (200, "{}");
            default:
                return (400, """{"error_code": "INVALID_PARAMETER_VALUE"}""");
        }
    }
}
