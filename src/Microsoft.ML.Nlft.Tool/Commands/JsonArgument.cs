using System.CommandLine;
using Microsoft.ML.Nlft.Tool.Data;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>Defines --json, which prints results as JSON Lines.</summary>
internal sealed class JsonArgument
{
    private readonly Option<bool> _json = new("--json") { Description = "Print the result as JSON, one object a line, with the keys of the guide." };
    private readonly ToolConsole _console;

    /// <summary>Adds the option to a command.</summary>
    public JsonArgument(ToolConsole console, Command command)
    {
        _console = console;
        command.Add(_json);
    }

    /// <summary>Whether the option was given.</summary>
    public bool Given(ParseResult parsed) => parsed.GetValue(_json);

    /// <summary>Prints an object.</summary>
    public void Write(params (string Key, object? Value)[] keys) => JsonLine.Write(_console.Out, keys);
}
