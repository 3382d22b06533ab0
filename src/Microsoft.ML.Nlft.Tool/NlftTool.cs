using System.CommandLine;
using System.CommandLine.Help;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Tool.Commands;
using Microsoft.ML.Nlft.Tool.Display;

namespace Microsoft.ML.Nlft.Tool;

/// <summary>Defines the tool's commands, runs command lines, and turns a failure into one line and an exit code.</summary>
internal sealed class NlftTool
{
    private readonly ToolConsole _console;
    private readonly Option<bool> _verbose = new("--verbose")
    {
        Description = "Show the full exception, with its stack trace, when something fails.",
        Recursive = true,
    };

    public NlftTool(ToolConsole console)
    {
        _console = console;
        Root = new RootCommand("Fine-tunes language models with natural language feedback (arXiv 2412.20382) and works with the results.")
        {
            new TrainCommand(console),
            new RoundsCommand(console),
            new GenerateCommand(console),
            new ChatCommand(console),
            new ServeCommand(console),
            new JudgeCommand(console),
            new SelectCommand(console),
            new ExportCommand(console),
            new EvaluateCommand(console),
            new SaliencyCommand(console),
            new MergeCommand(console),
            new InspectCommand(console),
            new NewCommand(console),
            new ModelsCommand(console),
            new DoctorCommand(console),
            new CompletionCommand(console),
            _verbose,
        };
        var help = Root.Options.OfType<HelpOption>().Single();
        help.Description = "Show help and usage.";
        help.Action = new HelpText(console);
        Root.Options.OfType<VersionOption>().Single().Description = "Show the version.";
    }

    /// <summary>The commands.</summary>
    public RootCommand Root { get; }

    /// <summary>Runs one command line.</summary>
    /// <returns>One of the values of <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> args, CancellationToken cancellationToken = default)
    {
        var parsed = Root.Parse(args.Count == 0 ? ["--help"] : args);
        var unknown = parsed.Action is HelpText && parsed.UnmatchedTokens.Count > 0; // help would hide it
        if (unknown || (parsed.Errors.Count > 0 && !(parsed.Action?.ClearsParseErrors ?? false))) return RefuseUsage(parsed);
        try
        {
            var settings = new InvocationConfiguration
            {
                Output = _console.Out,
                Error = _console.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(settings, cancellationToken);
        }
        catch (Exception error)
        {
            if (parsed.GetValue(_verbose)) _console.Error.WriteLine(error);
            return Report(error, cancellationToken);
        }
    }

    private int Report(Exception error, CancellationToken cancellationToken)
    {
        switch (error)
        {
            case OperationCanceledException when cancellationToken.IsCancellationRequested:
                Say("cancelled.");
                return ExitCode.Cancelled;
            case NlftException or IOException or UnauthorizedAccessException:
                Say(error.Message);
                return ExitCode.BadInput;
            case OutOfMemoryException:
                Say("memory: found less than the command needs; expected enough for the model and the rows of a step. Give the process more, or use "
                    + "a smaller model, shorter rows or smaller batches.");
                return ExitCode.BadInput;
            default:
                Say($"an unexpected {error.GetType().Name}: {error.Message} Run again with --verbose to see where, and report it.");
                return ExitCode.BadInput;
        }
    }

    /// <summary>Prints one line about the first argument that is not valid, with the nearest known name as a suggestion.</summary>
    private int RefuseUsage(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var path = string.Join(' ', parsed.CommandResult.PathOfNames());
        var reason = parsed.Errors is [var first, ..] ? first.Message : "";
        if (parsed.UnmatchedTokens.Count > 0)
        {
            var token = parsed.UnmatchedTokens[0];
            var isFlag = token.StartsWith('-');
            IEnumerable<string> known = isFlag ? command.Options.Append(_verbose).Select(option => option.Name)
                : command.Subcommands.Count > 0 ? command.Subcommands.Select(subcommand => subcommand.Name)
                : command.Options.Select(option => option.Name.TrimStart('-'));
            var nearest = NearestName.Find(token, known) is not { } name ? ""
                : $" Did you mean '{(isFlag || command.Subcommands.Count > 0 ? name : "--" + name)}'?";
            reason = $"unknown {(isFlag ? "option" : "argument")} '{token}'.{nearest}";
        }
        Say($"{reason} See '{path} --help'.");
        return ExitCode.Usage;
    }

    private void Say(string message)
    {
        var lines = message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        _console.Error.WriteLine($"nlft: {string.Join(' ', lines)}");
    }
}
