using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>--model and --adapter, and how they are opened.</summary>
internal sealed class ModelArguments
{
    private readonly Option<string> _model = new("--model", "-m") { Description = "Folder of the model in Hugging Face layout; not needed when --adapter names its base model.", HelpName = "FOLDER" };
    private readonly Option<string> _adapter = new("--adapter", "-a") { Description = "Folder of a LoRA adapter to apply, as PEFT and 'nlft train' write it.", HelpName = "FOLDER" };
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
        if (!required) return;
        command.Validators.Add(result =>
        {
            if (result.GetResult(_model) is null && result.GetResult(_adapter) is null) result.AddError("a model is needed: give --model FOLDER.");
        });
    }

    /// <summary>Whether a model or an adapter was given.</summary>
    public bool Given(ParseResult parsed) => parsed.GetValue(_model) is not null || parsed.GetValue(_adapter) is not null;

    /// <summary>Whether an adapter was given.</summary>
    public bool AdapterGiven(CommandResult result) => result.GetResult(_adapter) is not null;

    /// <summary>Folder of the base model: --model, else the one that the adapter was trained on.</summary>
    /// <exception cref="NlftException">Neither says where it is.</exception>
    public string Folder(ParseResult parsed, LoraAdapter? adapter)
    {
        if (parsed.GetValue(_model) is { } model) return _console.PathOf(model);
        if (adapter?.BaseModel is { Length: > 0 } named && Directory.Exists(_console.PathOf(named))) return _console.PathOf(named);
        throw new NlftException($"{parsed.GetValue(_adapter)}, base_model_name_or_path",
            adapter?.BaseModel is { Length: > 0 } elsewhere ? $"\"{elsewhere}\", which is no folder here" : "nothing", "the folder of the base model",
            "Name the base model's folder with --model.");
    }

    /// <summary>The adapter given, or null.</summary>
    public LoraAdapter? Adapter(ParseResult parsed) => parsed.GetValue(_adapter) is { } folder ? LoraAdapter.Load(_console.PathOf(folder)) : null;

    /// <summary>Opens the model with its adapter.</summary>
    public LocalModel Open(ParseResult parsed, ToolOptions options, TrainableWeights trainable = TrainableWeights.None, CancellationToken cancellationToken = default)
    {
        var adapter = Adapter(parsed);
        return LocalModel.Load(Folder(parsed, adapter), new LocalModelOptions
        {
            Engine = options.Engine.Create(),
            Adapter = adapter,
            Lora = trainable == TrainableWeights.Lora && adapter is null ? options.Lora : null,
            Trainable = trainable,
            Prompts = options.Prompts,
            Seed = options.FineTune.Seed,
        }, cancellationToken);
    }
}
