using System.CommandLine;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Options;
using Microsoft.ML.Nlft.Tool.Serving;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>
/// Defines --model, --model-name and --adapter of a server, and opens what they name. Adapters of one base model share its weights.
/// </summary>
internal sealed class ServedModelArguments
{
    private readonly Option<string> _model = new("--model", "-m")
    {
        Description = "The model: a folder in Hugging Face layout or of a saved model, a GGUF file, or a name such as organisation/name that "
            + "'nlft models' lists; not needed when the adapters name their base model.",
        HelpName = "MODEL",
    };
    private readonly Option<string> _name = new("--model-name")
    {
        Description = "Name of the model in requests. Default: that of its folder or file.",
        HelpName = "NAME",
    };
    private readonly Option<string[]> _adapters = new("--adapter", "-a")
    {
        Description = "LoRA adapters to serve, each under its own name, which defaults to that of its folder. With --model, the model without "
            + "them is served too.",
        HelpName = "NAME=FOLDER...",
        AllowMultipleArgumentsPerToken = true,
    };
    private readonly LocatorArgument _locator;
    private readonly ToolConsole _console;

    /// <summary>Adds the options to a command.</summary>
    public ServedModelArguments(ToolConsole console, Command command)
    {
        _console = console;
        command.Add(_model);
        command.Add(_name);
        command.Add(_adapters);
        _locator = new LocatorArgument(console, command);
        command.Validators.Add(result =>
        {
            if (result.GetResult(_model) is null && result.GetResult(_adapters) is null) result.AddError("a model is needed: give --model FOLDER.");
        });
    }

    /// <summary>Opens the models.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="options">Returns the options over the defaults of a model.</param>
    /// <param name="cancellationToken">Observed while weights load.</param>
    /// <exception cref="NlftException">A model cannot be used, or two have the same name.</exception>
    public ServedModels Open(ParseResult parsed, Func<ToolOptions, ToolOptions> options, CancellationToken cancellationToken)
    {
        var named = Named(parsed);
        var (opened, engine) = (new List<ServedModel>(), options(new()).Engine.Create());
        try
        {
            foreach (var one in named) opened.Add(Open(one, options, opened, engine, parsed, cancellationToken));
            return new ServedModels(opened, _console.Time.GetUtcNow());
        }
        catch
        {
            foreach (var model in opened) model.Dispose();
            throw;
        }
    }

    private static ServedModel Open(NamedModel named, Func<ToolOptions, ToolOptions> options, List<ServedModel> opened, IModelEngine engine,
        ParseResult parsed, CancellationToken cancellationToken)
    {
        var defaults = named.Saved is { } saved
            ? new ToolOptions { Prompts = saved.Settings.Prompts, Generation = saved.Settings.Generation } : new ToolOptions();
        var own = options(defaults);
        own.Generation.Validate();
        var model = LocalModel.Load(named.Base, new()
        {
            Engine = engine,
            Adapter = named.Adapter,
            Prompts = own.Prompts,
            SharedWith = opened.Find(other => other.Model.Folder.IsAt(named.Base))?.Model,
        }, cancellationToken);
        return new ServedModel(named.Name, model, new() { Generation = own.Generation });
    }

    /// <summary>Finds the models of the command line and their names, before anything is loaded.</summary>
    private List<NamedModel> Named(ParseResult parsed)
    {
        var models = new List<NamedModel>();
        if (parsed.GetValue(_model) is { } model)
        {
            var path = _locator.Find(parsed, model);
            var name = parsed.GetValue(_name) ?? (ModelLocator.IsPath(_console.PathOf(model)) ? ModelLocator.NameOf(path) : model);
            var saved = LocalModelDescription.IsIn(path) ? LocalModelDescription.Load(path) : null;
            models.Add(saved is null ? new(name, path, null, null)
                : new(name, saved.FindBaseModel(path, null, _locator.Of(parsed)), saved.HasAdapter ? LoraAdapter.Load(path) : null, saved));
        }
        var baseFolder = models is [var first] ? first.Base : null;
        foreach (var text in parsed.GetValue(_adapters) ?? [])
        {
            var at = Directory.Exists(_console.PathOf(text)) ? -1 : text.IndexOf('=', StringComparison.Ordinal);
            var folder = _console.PathOf(text[(at + 1)..]);
            var adapter = LoraAdapter.Load(folder);
            var saved = LocalModelDescription.IsIn(folder) ? LocalModelDescription.Load(folder) : null;
            var place = saved?.FindBaseModel(folder, baseFolder, _locator.Of(parsed)) ?? baseFolder ?? _locator.BaseOf(parsed, adapter, folder);
            models.Add(new(at < 0 ? ModelLocator.NameOf(folder) : text[..at], place, adapter, saved));
        }
        if (models.Find(one => string.IsNullOrWhiteSpace(one.Name)) is not null)
            throw new NlftException("option --adapter", "a name that is empty", "NAME=FOLDER", "Write the name before the equals sign.");
        if (models.GroupBy(one => one.Name).FirstOrDefault(alike => alike.Count() > 1) is { } twice)
        {
            throw new NlftException("option --adapter", $"two models named \"{twice.Key}\"", "a name for each",
                "Give each a name of its own: --adapter NAME=FOLDER, --model-name NAME.");
        }
        return models;
    }

    /// <summary>A model to open: the folder of its base model, its adapter and what it was saved with.</summary>
    private sealed record NamedModel(string Name, string Base, LoraAdapter? Adapter, LocalModelDescription? Saved);
}
