using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Monitoring.Mlflow;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>
/// Records runs on an MLflow tracking server, through its REST API: the options as parameters, the figures of every step and evaluation as metrics,
/// and how the run ended (FINISHED, KILLED when it was cancelled, FAILED). Questions and answers are not sent.
/// </summary>
/// <remarks>
/// Requests are sent off the training thread and repeated a few times when the server is busy. A server that cannot be reached never ends a run: one
/// message says so (<see cref="MlflowOptions.Warn"/>).
/// </remarks>
/// <example>
/// <code>
/// using var mlflow = new MlflowMonitor(new Uri("http://localhost:5000"), new() { Experiment = "word problems" });
/// model.FineTune(rows, objective, monitor: mlflow);
/// </code>
/// </example>
public sealed class MlflowMonitor : ITrainingMonitor, IDisposable
{
    private readonly MlflowOptions _options;
    private readonly MlflowClient _client;
    private MlflowRun? _run;

    /// <summary>Creates a monitor; nothing is sent before a run begins.</summary>
    /// <param name="server">The address of the tracking server.</param>
    /// <param name="options">Experiment, names and credentials; null: the defaults.</param>
    /// <exception cref="NlftException">The address is not one of HTTP, or the experiment has no name.</exception>
    public MlflowMonitor(Uri server, MlflowOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        _options = options ?? new();
        if (!server.IsAbsoluteUri || (server.Scheme != Uri.UriSchemeHttp && server.Scheme != Uri.UriSchemeHttps))
        {
            throw new NlftException("address of the MLflow server", $"\"{server}\"", "an address that begins with http:// or https://",
                "Name the server, for example http://localhost:5000.");
        }
        OptionCheck.Require(!string.IsNullOrWhiteSpace(_options.Experiment), nameof(_options.Experiment), _options.Experiment, "a name",
            "Name the experiment, or leave it out for MLflow's own.");
        _client = new MlflowClient(server, _options);
    }

    /// <inheritdoc/>
    public void Begin(RunDescription run)
    {
        ArgumentNullException.ThrowIfNull(run);
        _run?.End(null);
        _run = new MlflowRun(_client, _options, run);
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        _run?.Add(value);
    }

    /// <inheritdoc/>
    public void End(FineTuneResult? result)
    {
        _run?.End(result);
        _run = null;
    }

    /// <summary>Ends a run that has not ended, and closes the connections.</summary>
    public void Dispose()
    {
        End(null);
        _client.Dispose();
    }
}
