// Offline stand-in: the starting point. It has no catalogs but Data and Transforms.

using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>Where everything starts: catalogs, the log and the seed.</summary>
public sealed class MLContext : IHostEnvironment
{
    private readonly OfflineHost _host;

    public MLContext(int? seed = null)
    {
        _host = new OfflineHost(null, seed, (message, source) => Log?.Invoke(this, new LoggingEventArgs(message.Message, message.Kind, source)));
        Data = new DataOperationsCatalog();
        Transforms = new TransformsCatalog();
    }

    public event EventHandler<LoggingEventArgs> Log;

    public DataOperationsCatalog Data { get; }

    public TransformsCatalog Transforms { get; }

    public bool FallbackToCpu { get; set; }

    public int? GpuDeviceId { get; set; }

    string IExceptionContext.ContextDescription => _host.ContextDescription;

    IHost IHostEnvironment.Register(string name, int? seed, bool? verbose) => _host.Register(name, seed, verbose);

    IChannel IChannelProvider.Start(string name) => _host.Start(name);

    TException IExceptionContext.Process<TException>(TException ex) => _host.Process(ex);
}

/// <summary>A message on its way to a listener of <see cref="MLContext.Log"/>.</summary>
public class LoggingEventArgs : EventArgs
{
    public LoggingEventArgs(string message) => Message = message;

    public LoggingEventArgs(string message, ChannelMessageKind kind, string source) : this($"[Source={source}, Kind={kind}] {message}") =>
        (RawMessage, Kind, Source) = (message, kind, source);

    public string Source { get; }

    public ChannelMessageKind Kind { get; }

    public string Message { get; }

    public string RawMessage { get; }
}
