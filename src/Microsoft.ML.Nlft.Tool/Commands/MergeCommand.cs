using System.CommandLine;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft merge: merges an adapter and its base model into a new model folder.</summary>
internal sealed class MergeCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "Folder for the new model; it must be empty or not exist yet, unless --overwrite is given.",
        HelpName = "FOLDER",
        Required = true,
    };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace the model that --output holds already." };

    public MergeCommand(ToolConsole console) : base(console, "merge",
        "Writes the base model with the adapter added to its weights, in the original layout and type, for programs that cannot load adapters.")
    {
        _model = new ModelArguments(console, this);
        Add(_output);
        Add(_overwrite);
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var (adapter, folder) = _model.Adapter(parsed);
        using var model = ModelFolder.Open(folder);
        var output = Console.PathOf(parsed.GetValue(_output)!);
        var card = _model.Saved(parsed)?.Card ?? new ModelCard { BaseModel = _model.BaseName(parsed, model.Path) };
        adapter.MergeInto(model, output, cancellationToken, parsed.GetValue(_overwrite), inside => card.Save(inside, ModelCardKind.Merged));
        Console.Out.WriteLine($"{adapter.Configuration.Resolve(model.Configuration).Count} layers merged, model in {output}");
        return Task.FromResult(ExitCode.Success);
    }
}
