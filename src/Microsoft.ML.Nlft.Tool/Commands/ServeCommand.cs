using System.CommandLine;
using Microsoft.ML.Nlft.Tool.Options;
using Microsoft.ML.Nlft.Tool.Serving;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft serve: serves models over HTTP as OpenAI's API does, until it is stopped.</summary>
internal sealed class ServeCommand : ToolCommand
{
    private const string KeyVariable = "NLFT_API_KEY";

    private readonly ServedModelArguments _models;
    private readonly Option<string> _key = new("--api-key")
    {
        Description = $"Key that every request must bear, except GET /health. Default: that of the variable {KeyVariable}, else none.",
        HelpName = "KEY",
    };

    public ServeCommand(ToolConsole console) : base(console, "serve",
        "Serves a model, or several adapters of one, over HTTP as OpenAI's API does: /v1/chat/completions, /v1/completions, /v1/models, /health "
            + "and /metrics. Ctrl+C stops it.",
        nameof(ToolOptions.Server), nameof(ToolOptions.Generation), nameof(ToolOptions.Prompts), nameof(ToolOptions.Engine))
    {
        _models = new ServedModelArguments(console, this);
        Add(_key);
        AddGeneratedFlags();
    }

    protected override async Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var server = options.Server;
        server.Validate();
        var key = parsed.GetValue(_key) ?? Console.Environment(KeyVariable);
        if (key is not null && string.IsNullOrWhiteSpace(key))
            throw new NlftException("option --api-key", "an empty key", "a key", $"Write one, or leave out --api-key and {KeyVariable}.");
        using var models = _models.Open(parsed, defaults => OptionsOf(parsed, defaults), cancellationToken);
        await using var host = new ServerHost(server, new RequestHandler(models, server, key, TextWriter.Synchronized(Console.Error), Console.Time));
        await host.StartAsync(cancellationToken);
        Console.Error.WriteLine($"Serving {string.Join(", ", models.All.Select(model => model.Name))} at {host.Address}v1; stop with Ctrl+C.");
        if (key is null && !host.Address.IsLoopback) Console.Error.WriteLine("Anyone who reaches this address can use it: there is no --api-key.");
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine($"Stopping: running answers have {server.StopTimeout} s to end.");
        }
        await host.StopAsync();
        return ExitCode.Success;
    }
}
