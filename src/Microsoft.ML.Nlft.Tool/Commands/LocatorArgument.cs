using System.CommandLine;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>Defines --model-roots and finds models by name.</summary>
internal sealed class LocatorArgument
{
    private readonly Option<string[]> _roots = new("--model-roots")
    {
        Description = "Folders to search for models that are named, not given as a path; before ./models, the folders of the variable NLFT_MODELS "
            + "and the Hugging Face cache.",
        HelpName = "FOLDER...",
        AllowMultipleArgumentsPerToken = true,
    };
    private readonly ToolConsole _console;

    /// <summary>Adds the option to a command.</summary>
    public LocatorArgument(ToolConsole console, Command command)
    {
        _console = console;
        command.Add(_roots);
    }

    /// <summary>Returns the locator of a command line.</summary>
    public ModelLocator Of(ParseResult parsed) =>
        new([.. (parsed.GetValue(_roots) ?? []).Append("models").Select(_console.PathOf)], _console.Environment);

    /// <summary>Returns the folder that a path or a name stands for.</summary>
    /// <exception cref="NlftException">There is no such folder.</exception>
    public string Find(ParseResult parsed, string model) => Of(parsed).Find(model, _console.WorkingDirectory);
}
