using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Listens with ASP.NET Core. It reads no settings but the given ones, and leaves the signals to the tool.</summary>
internal sealed class ServerHost : IAsyncDisposable
{
    private readonly ServerOptions _options;

    /// <summary>Prepares a server.</summary>
    /// <param name="options">Valid options.</param>
    /// <param name="handler">Answers the requests.</param>
    public ServerHost(ServerOptions options, RequestHandler handler)
    {
        _options = options;
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaximumBodyBytes;
            kestrel.Listen(options.Host == "localhost" ? IPAddress.Loopback : IPAddress.Parse(options.Host), options.Port,
                listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(options.StopTimeout));
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        Application = builder.Build();
        Application.Run(handler.HandleAsync);
    }

    /// <summary>The application.</summary>
    public WebApplication Application { get; }

    /// <summary>The address that the server listens on, with its port.</summary>
    public Uri Address => new(Application.Urls.Single());

    /// <summary>Begins to listen.</summary>
    /// <exception cref="NlftException">The address cannot be used.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Application.StartAsync(cancellationToken);
        }
        catch (Exception fault) when (fault is IOException or SocketException)
        {
            throw new NlftException($"--host {_options.Host} --port {_options.Port}", "an address that cannot be listened on",
                "a free port of an address of this machine", $"Choose another with --port. ({fault.GetBaseException().Message})", fault);
        }
    }

    /// <summary>Stops listening, waits for running answers, and ends those that take longer than the limit.</summary>
    public Task StopAsync() => Application.StopAsync();

    public ValueTask DisposeAsync() => Application.DisposeAsync();

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
