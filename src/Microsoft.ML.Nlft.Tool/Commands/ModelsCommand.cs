using System.CommandLine;
using System.Text.Json;
using Microsoft.ML.Nlft.ModelFiles;
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

/// <summary>A model in the list.</summary>
/// <param name="Name">The name that --model takes.</param>
/// <param name="Folder">Full path.</param>
/// <param name="ModelType">model_type of config.json; "unknown" where it has none.</param>
/// <param name="Bytes">Bytes of the weight files.</param>
/// <param name="Reason">Why this library does not run it; null: it does.</param>
internal sealed record ListedModel(string Name, string Folder, string ModelType, long Bytes, string? Reason)
{
    /// <summary>Reads config.json and the headers of the weights.</summary>
    public static ListedModel Of(string name, string folder)
    {
        string[] kinds = ["*.safetensors", "*.bin", "*.gguf"];
        var bytes = kinds.SelectMany(kind => Directory.EnumerateFiles(folder, kind)).Sum(LengthOf);
        try
        {
            ModelFolder.Open(folder).Dispose();
            return new(name, folder, TypeOf(folder), bytes, Reason: null);
        }
        catch (NlftException e)
        {
            var subject = e.Subject.Replace(folder + Path.DirectorySeparatorChar, "");
            return new(name, folder, TypeOf(folder), bytes, $"does not run: {subject}: found {e.Found}");
        }
    }

    /// <summary>Returns the bytes of a file, which in the cache is a link; 0 when the link leads nowhere.</summary>
    private static long LengthOf(string file) =>
        File.ResolveLinkTarget(file, returnFinalTarget: true) is FileInfo target ? target.Exists ? target.Length : 0 : new FileInfo(file).Length;

    private static string TypeOf(string folder)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
            return json.RootElement.TryGetProperty("model_type", out var type) && type.GetString() is { } text ? text : "unknown";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException)
        {
            return "unknown";
        }
    }
}
