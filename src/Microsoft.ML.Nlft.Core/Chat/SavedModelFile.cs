using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>nlft.json, which makes a folder a saved model, as far as chat needs it. The ML.NET library writes it.</summary>
internal sealed record SavedModelFile
{
    private const int NewestFormat = 1;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, RespectNullableAnnotations = true };

    private string Folder { get; init; } = "";

    public int Format { get; init; }

    public required string BaseModelPath { get; init; }

    public required string BaseModelFingerprint { get; init; }

    public required bool HasAdapter { get; init; }

    public required SavedSettings Settings { get; init; }

    /// <summary>The folder's file, or null when it has none.</summary>
    /// <exception cref="NlftException">The file is damaged or comes from a newer library.</exception>
    public static SavedModelFile? Find(string folder)
    {
        var path = Path.Combine(folder, "nlft.json");
        if (!File.Exists(path)) return null;
        SavedModelFile? file = null;
        JsonException? fault = null;
        try
        {
            file = JsonSerializer.Deserialize<SavedModelFile>(File.ReadAllBytes(path), Json);
        }
        catch (JsonException exception)
        {
            fault = exception;
        }
        if (file is null || file.Format is < 1 or > NewestFormat)
            throw new NlftException(path, fault?.Message ?? (file is null ? "null" : $"format {file.Format}"), $"a saved model of format {NewestFormat}",
                "Save the model again, or use the version of the library that wrote it.", fault);
        return file with { Folder = folder };
    }

    /// <summary>Opens the base model with the adapter.</summary>
    /// <exception cref="NlftException">The base model is missing, is another than the one that was saved, or cannot be used.</exception>
    public LocalModel Open(string? baseModelFolder, IModelEngine? engine, CancellationToken cancellationToken)
    {
        var path = baseModelFolder ?? BaseModelPath;
        if (!Directory.Exists(path))
            throw new NlftException($"base model of {Folder}", $"no folder {path}", "the base model where it lay when the model was saved", "Name its folder as BaseModelFolder.");
        using (var baseModel = ModelFolder.Open(path))
        {
            // Before the weights are read: an adapter for another model would fail there less clearly.
            if (baseModel.Fingerprint != BaseModelFingerprint)
                throw new NlftException($"base model in {path}", $"fingerprint {baseModel.Fingerprint}", $"{BaseModelFingerprint}, the model that the adapter was trained on",
                    "Restore that model, or name its folder as BaseModelFolder.");
        }
        var adapter = HasAdapter ? LoraAdapter.Load(Folder) : null;
        return LocalModel.Load(path, new() { Engine = engine, Adapter = adapter, Prompts = Settings.Prompts }, cancellationToken);
    }
}

/// <summary>The settings of a saved model that do not concern data views.</summary>
internal sealed record SavedSettings
{
    public GenerationOptions Generation { get; init; } = new();

    public PromptOptions Prompts { get; init; } = new();
}
