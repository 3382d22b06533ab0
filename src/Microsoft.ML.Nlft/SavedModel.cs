using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft;

/// <summary>A saved model: a PEFT adapter folder with nlft.json in it.</summary>
internal static class SavedModel
{
    /// <summary>Writes the adapter and its card, then nlft.json: a folder without it is not a saved model.</summary>
    public static void Save(TextGenerationTransformer model, string folder, ModelCard card)
    {
        Directory.CreateDirectory(folder);
        var description = ModelDescription.Of(model, card);
        if (model.Adapter is { } adapter)
        {
            adapter.Save(folder, description.BaseModelPath);
            card.Save(folder, ModelCardKind.Adapter);
        }
        description.Save(folder);
    }

    /// <summary>Writes a whole model with the adapter merged into it, and its card.</summary>
    public static void SaveMerged(TextGenerationTransformer model, string folder, ModelCard card)
    {
        if (model.Adapter is not { } adapter)
            throw new NlftException("model to merge", "a base model without an adapter", "a fine-tuned model",
                $"Use the base model's folder as it is: {model.BaseModel.Path}.");
        adapter.MergeInto(model.BaseModel, folder);
        card.Save(folder, ModelCardKind.Merged);
    }

    public static TextGenerationTransformer Load(string folder, string? modelFolder, IModelEngine? engine)
    {
        var description = ModelDescription.Load(folder);
        if (modelFolder is null && !Directory.Exists(description.BaseModelPath))
            throw new NlftException($"base model of {folder}", $"no folder {description.BaseModelPath}",
                "the base model where it lay when the model was saved", "Name its folder as modelFolder.");
        var adapter = description.HasAdapter ? LoraAdapter.Load(folder) : null;
        return Open(modelFolder ?? description.BaseModelPath, adapter, description.Settings, engine, description);
    }

    /// <summary>Opens a base model for generation.</summary>
    /// <param name="modelFolder">The base model's folder.</param>
    /// <param name="adapter">The adapter to apply, or null.</param>
    /// <param name="settings">How it works.</param>
    /// <param name="engine">The engine, or null for the managed one.</param>
    /// <param name="description">What it was saved with, or null.</param>
    public static TextGenerationTransformer Open(
        string modelFolder, LoraAdapter? adapter, GenerationSettings settings, IModelEngine? engine, ModelDescription? description = null)
    {
        settings.Validate();
        if (description is not null)
        {
            // Before the weights are read: an adapter for another model would fail there less clearly.
            using var baseModel = ModelFolder.Open(modelFolder);
            description.CheckBaseModel(baseModel);
        }
        var model = LocalModel.Load(modelFolder, new LocalModelOptions { Engine = engine, Adapter = adapter, Prompts = settings.Prompts });
        return new TextGenerationTransformer(model, adapter, settings, training: null, description?.Card);
    }
}
