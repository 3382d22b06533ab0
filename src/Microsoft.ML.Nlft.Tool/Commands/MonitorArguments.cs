using System.CommandLine;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>
/// Defines --live, --live-runs, --tensorboard, --mlflow, --experiment, --map and --map-rows: the monitors of a run other than the console.
/// </summary>
internal sealed class MonitorArguments
{
    private const int DefaultMapRows = 8;

    private readonly Option<int?> _live = new("--live")
    {
        Description = "Serve a page that follows the run, on 127.0.0.1 only. Default 0: any free port.", HelpName = "PORT",
        Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null,
    };
    private readonly Option<string> _liveRuns = new("--live-runs")
    {
        Description = "Folder that keeps the curves of runs: the page of --live shows those of the newest six beside the new one.",
        HelpName = "FOLDER",
    };
    private readonly Option<string> _tensorBoard = new("--tensorboard")
    {
        Description = "Folder for TensorBoard event files.",
        HelpName = "FOLDER",
    };
    private readonly Option<Uri> _mlflow = new("--mlflow")
    {
        Description = "Address of an MLflow tracking server that records the run, for example http://localhost:5000. MLFLOW_TRACKING_TOKEN, or "
            + "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are sent to it.",
        HelpName = "URL",
        CustomParser = result =>
        {
            if (Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var address) && address.Scheme is "http" or "https") return address;
            result.AddError($"--mlflow: found \"{result.Tokens[0].Value}\"; expected an address that begins with http:// or https://.");
            return null;
        },
    };
    private readonly Option<string> _experiment = new("--experiment")
    {
        Description = "Experiment of --mlflow; created when missing. Default \"Default\".",
        HelpName = "NAME",
    };
    private readonly Option<string> _map = new("--map")
    {
        Description = "HTML file for the saliency map of the first rows, written after every epoch.",
        HelpName = "FILE",
    };
    private readonly Option<int?> _mapRows = new("--map-rows")
    {
        Description = $"Number of rows that --map and the page of --live show. Default {DefaultMapRows}.",
        HelpName = "N",
    };
    private readonly ToolConsole _console;

    /// <summary>Adds the options to a command.</summary>
    public MonitorArguments(ToolConsole console, Command command)
    {
        _console = console;
        _mapRows.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && int.TryParse(token.Value, out var rows) && rows < 1)
                result.AddError($"--map-rows: found \"{token.Value}\"; expected 1 or more.");
        });
        foreach (var option in (Option[])[_live, _liveRuns, _tensorBoard, _mlflow, _experiment, _map, _mapRows]) command.Add(option);
        Need(_liveRuns, _live);
        Need(_experiment, _mlflow);
        Need(_mapRows, _map, _live);

        void Need(Option option, params Option[] one) => command.Validators.Add(result =>
        {
            if (result.GetResult(option) is not null && one.All(other => result.GetResult(other) is null))
                result.AddError($"{option.Name} has no effect without {string.Join(" or ", one.Select(other => other.Name))}: give both or neither.");
        });
    }

    /// <summary>Returns the options of the run with the rows to record.</summary>
    public FineTuneOptions Record(ParseResult parsed, FineTuneOptions options, int rows, ITokenObjective objective)
    {
        if (objective.Thresholds is null && parsed.GetValue(_map) is { } map)
        {
            throw new NlftException($"--map {map}", $"the objective {objective.Name}", "--method nlft with --objective-salient-target unlikelihood",
                "Leave --map out: only natural language fine-tuning as published has a saliency map.");
        }
        if (objective.Thresholds is null || (parsed.GetValue(_map) is null && parsed.GetResult(_live) is null or { Implicit: true })) return options;
        return options with { RecordedRows = [.. Enumerable.Range(0, Math.Min(rows, parsed.GetValue(_mapRows) ?? DefaultMapRows))] };
    }

    /// <summary>The file of --map, or null.</summary>
    public string? Map(ParseResult parsed) => parsed.GetValue(_map);

    /// <summary>Starts the monitors that the command line names, and the console's.</summary>
    public Monitors Create(ParseResult parsed, ITrainingMonitor console)
    {
        var live = parsed.GetResult(_live) is { Implicit: false } ? new LivePage(parsed.GetValue(_live) ?? 0, _console.Time, Kept(parsed)) : null;
        if (live is not null) _console.Error.WriteLine($"Follow the run at {live.Address}");
        var board = parsed.GetValue(_tensorBoard) is { } folder ? new TensorBoardWriter(_console.PathOf(folder), _console.Time) : null;
        var map = parsed.GetValue(_map) is { } file ? new SaliencyMapFile(_console.PathOf(file)) : null;
        var mlflow = parsed.GetValue(_mlflow) is not { } server ? null : new MlflowMonitor(server, new()
        {
            Experiment = parsed.GetValue(_experiment) ?? new MlflowOptions().Experiment,
            Warn = _console.Error.WriteLine,
            TimeProvider = _console.Time,
        });
        ITrainingMonitor?[] all = [console, live, board, mlflow, map];
        return new Monitors(new TrainingMonitors([.. all.OfType<ITrainingMonitor>()]), live, board, mlflow);
    }

    private string? Kept(ParseResult parsed) => parsed.GetValue(_liveRuns) is { } folder ? _console.PathOf(folder) : null;

    /// <summary>Holds the monitors of one run; dispose it after the run.</summary>
    internal sealed record Monitors(TrainingMonitors All, LivePage? Live, TensorBoardWriter? Board, MlflowMonitor? Mlflow) : IDisposable
    {
        public void Dispose()
        {
            Live?.Dispose();
            Board?.Dispose();
            Mlflow?.Dispose();
        }
    }
}
