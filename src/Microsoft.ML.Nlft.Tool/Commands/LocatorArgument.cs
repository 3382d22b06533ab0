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

    /// <summary>Finds the base model that an adapter names: as a path or a name, also beside the adapter.</summary>
    /// <exception cref="NlftException">It is not there.</exception>
    public string BaseOf(ParseResult parsed, LoraAdapter adapter, string folder)
    {
        if (adapter.BaseModel is { Length: > 0 } named)
        {
            string[] places = [_console.PathOf(named), Path.Combine(folder, "..", named), .. Of(parsed).Places(named)];
            if (Array.Find(places, ModelLocator.IsModel) is { } found) return found;
        }
        throw new NlftException($"{folder}, base_model_name_or_path",
            adapter.BaseModel is { Length: > 0 } elsewhere ? $"\"{elsewhere}\", which is not a folder here" : "nothing",
            "the folder of the base model", "Name the base model's folder with --model.");
    }
}
