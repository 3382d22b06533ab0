using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>Defines --model and --adapter, and opens what they name.</summary>
internal sealed class ModelArguments
{
    private readonly Option<string> _model = new("--model", "-m")
    {
        Description = "The model: a folder in Hugging Face layout or of a saved model, a GGUF file, or a name such as organisation/name that "
            + "'nlft models' lists; not needed when --adapter names its base model.",
        HelpName = "MODEL",
    };
    private readonly Option<string> _adapter = new("--adapter", "-a")
    {
        Description = "Folder of a LoRA adapter to apply, as PEFT and 'nlft train' write it.",
        HelpName = "FOLDER",
    };
    private readonly LocatorArgument _locator;
    private readonly ToolConsole _console;

    /// <summary>Adds the two options to a command.</summary>
    /// <param name="console">Resolves the paths.</param>
    /// <param name="command">The command.</param>
    /// <param name="required">Whether the command needs a model.</param>
    public ModelArguments(ToolConsole console, Command command, bool required = true)
    {
        _console = console;
        command.Add(_model);
        command.Add(_adapter);
        _locator = new LocatorArgument(console, command);
        if (!required) return;
        command.Validators.Add(result =>
        {
            if (result.GetResult(_model) is null && result.GetResult(_adapter) is null) result.AddError("a model is needed: give --model FOLDER.");
        });
    }

    /// <summary>Whether a model or an adapter was given.</summary>
    public bool Given(ParseResult parsed) => Given(parsed.CommandResult);

    /// <inheritdoc cref="Given(ParseResult)"/>
    public bool Given(CommandResult result) => result.GetResult(_model) is not null || result.GetResult(_adapter) is not null;

    /// <summary>Whether an adapter was given.</summary>
    public bool AdapterGiven(CommandResult result) => result.GetResult(_adapter) is not null;

    /// <summary>
    /// Returns the defaults of options that neither the file nor a flag sets: prompts and generation of a saved model, else the library's.
    /// </summary>
    public ToolOptions Defaults(ParseResult parsed) => Saved(parsed) is { } saved
        ? new ToolOptions { Prompts = saved.Settings.Prompts, Generation = saved.Settings.Generation } : new ToolOptions();

    /// <summary>Returns the contents of nlft.json if the adapter or the model is a saved model, else null.</summary>
    public LocalModelDescription? Saved(ParseResult parsed) => (Path(parsed, _adapter) ?? Model(parsed)) is { } folder
        && LocalModelDescription.IsIn(folder)
        ? LocalModelDescription.Load(folder) : null;

    /// <summary>Returns the saved model and its folder.</summary>
    /// <exception cref="NlftException">Neither --adapter nor --model is a saved model.</exception>
    public (string Folder, LocalModelDescription Saved) SavedPlace(ParseResult parsed)
    {
        var folder = Path(parsed, _adapter) ?? Model(parsed) ??
            throw new NlftException("option --card", "no model", "a saved model", "Name one with --adapter.");
        return (folder, LocalModelDescription.Load(folder));
    }

    /// <summary>Returns the given adapter and the folder of its base model: --model, else the one it was trained on.</summary>
    /// <exception cref="NlftException">There is no adapter, or nothing says where the base model is.</exception>
    public (LoraAdapter Adapter, string Model) Adapter(ParseResult parsed)
    {
        var folder = Path(parsed, _adapter) ?? throw new NlftException("option --adapter", "nothing", "the folder of an adapter",
            "Name the adapter with --adapter.");
        var adapter = LoraAdapter.Load(folder);
        var model = Model(parsed);
        return (adapter, Saved(parsed)?.FindBaseModel(folder, model, _locator.Of(parsed)) ?? model ?? _locator.BaseOf(parsed, adapter, folder));
    }

    /// <summary>Returns the adapter, null if there is none, and the folder of the base model; either of the options may name a saved model.</summary>
    public (LoraAdapter? Adapter, string Model) Parts(ParseResult parsed)
    {
        if (AdapterGiven(parsed.CommandResult)) return Adapter(parsed);
        var folder = Model(parsed)!;
        if (!LocalModelDescription.IsIn(folder)) return (null, folder);
        var saved = LocalModelDescription.Load(folder);
        return (saved.HasAdapter ? LoraAdapter.Load(folder) : null, saved.FindBaseModel(folder, null, _locator.Of(parsed)));
    }

    /// <summary>
    /// Returns the base model's name for a new model card: that of the saved model, else its name on the hub or its folder's own name.
    /// </summary>
    public string BaseName(ParseResult parsed, string folder) => Saved(parsed)?.BaseModelName
        ?? (parsed.GetValue(_model) is { } model && !ModelLocator.IsPath(_console.PathOf(model)) ? model : ModelLocator.NameOf(folder));

    /// <summary>Opens the model with its adapter.</summary>
    public LocalModel Open(ParseResult parsed, ToolOptions options, TrainableWeights trainable = TrainableWeights.None,
        CancellationToken cancellationToken = default, string? baseModelName = null)
    {
        var (adapter, folder) = AdapterGiven(parsed.CommandResult) ? Adapter(parsed) : (null, Model(parsed)!);
        return LocalModel.Load(folder, new LocalModelOptions
        {
            Engine = options.Engine.Create(),
            Adapter = adapter,
            BaseModelName = baseModelName ?? BaseName(parsed, folder),
            Locator = _locator.Of(parsed),
            Lora = options.Lora,
            Trainable = trainable,
            Prompts = options.Prompts,
            Seed = options.FineTune.Seed,
            Communicator = _console.Communicator,
        }, cancellationToken);
    }

    private string? Model(ParseResult parsed) => parsed.GetValue(_model) is { } model ? _locator.Find(parsed, model) : null;

    private string? Path(ParseResult parsed, Option<string> option) => parsed.GetValue(option) is { } path ? _console.PathOf(path) : null;
}
