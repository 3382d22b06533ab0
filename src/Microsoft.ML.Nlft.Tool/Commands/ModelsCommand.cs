using System.CommandLine;
using Microsoft.ML.Nlft.Tool.Inspection;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft models: lists the models in the usual folders.</summary>
internal sealed class ModelsCommand : ToolCommand
{
    private const string Example = "HuggingFaceTB/SmolLM2-135M-Instruct";

    private readonly LocatorArgument _locator;
    private readonly JsonArgument _json;

    public ModelsCommand(ToolConsole console) : base(console, "models",
        "Lists the models in ./models, in the folders of NLFT_MODELS and in the Hugging Face cache: --model takes each by its name.")
    {
        _locator = new LocatorArgument(console, this);
        _json = new JsonArgument(console, this);
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var locator = _locator.Of(parsed);
        var models = locator.All().Select(model => ListedModel.Of(model.Name, model.Folder)).ToList();
        if (_json.Given(parsed))
        {
            foreach (var model in models)
            {
                _json.Write(("name", model.Name), ("modelType", model.ModelType), ("bytes", model.Bytes), ("runs", model.Reason is null),
                    ("reason", model.Reason), ("folder", model.Folder));
            }
            return Task.FromResult(ExitCode.Success);
        }
        if (models.Count == 0) Console.Out.WriteLine("No models.");
        foreach (var model in models)
        {
            Console.Out.WriteLine($"{model.Name}: {model.ModelType}, {InspectCommand.Size(model.Bytes)}, {model.Reason ?? "runs here"}");
            Console.Out.WriteLine($"  {model.Folder}");
        }
        Console.Out.WriteLine();
        Console.Out.WriteLine($"Searched: {string.Join(", ", locator.HubCache is { } cache ? [.. locator.Roots, cache] : locator.Roots)}.");
        Console.Out.WriteLine("To get a model into the Hugging Face cache, with Python's huggingface_hub:");
        Console.Out.WriteLine($"  hf download {Example}");
        Console.Out.WriteLine($"Then: nlft chat --model {Example}");
        return Task.FromResult(ExitCode.Success);
    }
}
