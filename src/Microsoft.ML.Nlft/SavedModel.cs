using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft;

/// <summary>Opens and writes models on disk as transformers.</summary>
internal static class SavedModel
{
    /// <summary>Writes a whole model with the adapter merged into its weights, and its card.</summary>
    public static void SaveMerged(TextGenerationTransformer model, string folder, ModelCard card)
    {
        if (model.Adapter is not { } adapter)
        {
            throw new NlftException("model to merge", "a base model without an adapter", "a fine-tuned model",
                $"Use the base model's folder as it is: {model.Model.Folder.Path}.");
        }
        adapter.MergeInto(model.Model.Folder, folder, writeMore: inside => card.Save(inside, ModelCardKind.Merged));
    }

    /// <summary>Opens a saved model.</summary>
    public static TextGenerationTransformer Load(string folder, string? modelFolder, IModelEngine? engine)
    {
        var saved = LocalModelDescription.Load(folder);
        saved.Settings.Validate();
        var model = LocalModel.Load(folder, new LocalModelOptions { Engine = engine, BaseModelFolder = modelFolder });
        return new TextGenerationTransformer(model, saved.HasAdapter ? model.ExportAdapter() : null, saved.Settings, training: null, saved.Card);
    }

    /// <summary>Refuses a saved model where a base model is expected: its adapter would be applied unnoticed.</summary>
    public static void RequireBase(string modelFolder)
    {
        if (LocalModelDescription.IsIn(modelFolder))
        {
            throw new NlftException(modelFolder, "a saved model", "the folder of a base model in Hugging Face layout",
                $"Open it with mlContext.Nlft().Load, or name its base model: {LocalModelDescription.Load(modelFolder).BaseModelPath}.");
        }
    }

    /// <summary>Opens a base model for generation.</summary>
    public static TextGenerationTransformer Open(string modelFolder, LocalModelSettings settings, IModelEngine? engine)
    {
        settings.Validate();
        RequireBase(modelFolder);
        var model = LocalModel.Load(modelFolder, new LocalModelOptions { Engine = engine, Prompts = settings.Prompts });
        return new TextGenerationTransformer(model, adapter: null, settings, training: null, card: null);
    }
}
