using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft;

/// <summary>Provides Natural Language Fine-Tuning on an <see cref="MLContext"/>; <c>mlContext.Nlft()</c> returns it.</summary>
public sealed partial class NlftCatalog
{
    private readonly MLContext _mlContext;

    internal NlftCatalog(MLContext mlContext) =>
        (_mlContext, Trainers, Data) = (mlContext, new NlftTrainers(mlContext), new NlftDataCatalog(mlContext));

    /// <summary>The trainers.</summary>
    public NlftTrainers Trainers { get; }

    /// <summary>The operations that make a training set from questions: reading, generating, judging, selecting, writing.</summary>
    public NlftDataCatalog Data { get; }

    /// <summary>Opens a base model without fine-tuning, as a baseline to compare with.</summary>
    /// <param name="modelFolder">
    /// The base model: a folder in Hugging Face layout, a GGUF file, or a name that <see cref="ModelLocator"/> finds.
    /// </param>
    /// <param name="questionColumnName">Text column with the questions.</param>
    /// <param name="outputColumnName">Column that answers are written to.</param>
    /// <param name="instructionColumnName">Text column with instructions for the system prompt, or null.</param>
    /// <param name="generation">How answers are generated; null: greedily, up to 512 new tokens.</param>
    /// <param name="prompts">Wording and length limit of the prompts; null: the defaults.</param>
    /// <param name="engine">The engine; null: the managed CPU engine.</param>
    /// <exception cref="NlftException">The folder cannot be used.</exception>
    public TextGenerationTransformer LoadBaseModel(
        string modelFolder, string questionColumnName = ColumnNames.Question, string outputColumnName = ColumnNames.GeneratedAnswer,
        string? instructionColumnName = null, GenerationOptions? generation = null, PromptOptions? prompts = null, IModelEngine? engine = null)
    {
        ArgumentNullException.ThrowIfNull(modelFolder);
        var settings = new LocalModelSettings
        {
            QuestionColumnName = questionColumnName,
            InstructionColumnName = instructionColumnName,
            OutputColumnName = outputColumnName,
            Generation = generation ?? new(),
            Prompts = prompts ?? new(),
        };
        return SavedModel.Open(modelFolder, settings, EngineChoice.Of(_mlContext, engine));
    }

    /// <summary>
    /// Saves a model as a folder: the adapter as PEFT reads it (adapter_config.json, adapter_model.safetensors), its model card (README.md) and
    /// nlft.json with the rest. The base model is not copied; its name, place and fingerprint are kept.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">
    /// The folder; created when missing. Files with those names are replaced, except a README.md that this library did not write.
    /// </param>
    /// <param name="card">The card; null: <see cref="TextGenerationTransformer.Card"/>.</param>
    /// <example>
    /// <code>
    /// mlContext.Nlft().Save(model, "adapter", model.Card with { BaseModel = "HuggingFaceTB/SmolLM2-135M-Instruct" });
    /// </code>
    /// </example>
    public void Save(TextGenerationTransformer model, string folder, ModelCard? card = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        model.Model.Save(folder, model.Settings, card ?? model.Card);
    }

    /// <summary>
    /// Saves a fine-tuned model as a whole: the base model's folder with the adapter merged into its weights, and a model card (README.md). Any
    /// program that reads Hugging Face folders opens it, as does <see cref="LoadBaseModel"/>. <see cref="LoraAdapter.MergeInto"/> says how close it
    /// is to the model with its adapter.
    /// </summary>
    /// <param name="model">The model, with an adapter.</param>
    /// <param name="folder">The new folder; it must be empty or not exist yet.</param>
    /// <param name="card">The card; null: <see cref="TextGenerationTransformer.Card"/>.</param>
    /// <exception cref="NlftException">
    /// The model has no adapter, the folder is that of the base model or not empty, or a merged weight is beyond its type's range.
    /// </exception>
    public void SaveMerged(TextGenerationTransformer model, string folder, ModelCard? card = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        SavedModel.SaveMerged(model, folder, card ?? model.Card);
    }

    /// <summary>
    /// Saves a model as one GGUF file, which llama.cpp, LLamaSharp, Ollama and LM Studio run: base weights with the adapter merged into them,
    /// vocabulary and chat template. <see cref="GgufExport.Write"/> says how exact the types are.
    /// </summary>
    /// <param name="model">The model, with or without an adapter.</param>
    /// <param name="path">The file; written atomically.</param>
    /// <param name="options">Type, name, Modelfile; null: F16.</param>
    /// <exception cref="NlftException">
    /// An option is not valid, the file exists, a weight is beyond the type's range, or llama.cpp does not have the architecture, one of its
    /// settings, or the tokenizer's steps.
    /// </exception>
    /// <example>
    /// <code>
    /// mlContext.Nlft().SaveGguf(model, "word-problems.gguf", new() { Type = GgufType.Q8_0 });
    /// </code>
    /// </example>
    public void SaveGguf(TextGenerationTransformer model, string path, GgufExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        model.Model.SaveGguf(path, options);
    }

    /// <summary>Loads what <see cref="Save"/>, <see cref="LocalModel.Save"/> or <c>nlft train</c> wrote.</summary>
    /// <param name="folder">The saved folder.</param>
    /// <param name="modelFolder">The base model's folder or name; null: the one that the saved model names.</param>
    /// <param name="engine">The engine; null: the managed CPU engine.</param>
    /// <exception cref="NlftException">A file is missing or damaged, or the base model is not the one the adapter was trained on.</exception>
    public TextGenerationTransformer Load(string folder, string? modelFolder = null, IModelEngine? engine = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return SavedModel.Load(folder, modelFolder, EngineChoice.Of(_mlContext, engine));
    }

    /// <summary>
    /// Puts <see cref="TextGenerationTransformer"/> back into a model that <c>mlContext.Model.Load</c> returned. The loaded model already works,
    /// one row at a time on the managed engine; the restored one answers in batches, can use another engine or base-model folder, and can be
    /// disposed.
    /// </summary>
    /// <param name="loaded">What <c>mlContext.Model.Load</c> returned.</param>
    /// <param name="modelFolder">The base model's folder or name; null: the one that the saved model names.</param>
    /// <param name="engine">The engine; null: the managed CPU engine.</param>
    /// <returns>The same transforms in the same order; dispose the chain when it is no longer needed.</returns>
    /// <exception cref="NlftException">
    /// The model contains no text generation, or the base model is not the one the adapter was trained on.
    /// </exception>
    public TransformerChain<ITransformer> Restore(ITransformer loaded, string? modelFolder = null, IModelEngine? engine = null)
    {
        ArgumentNullException.ThrowIfNull(loaded);
        return ModelZip.Restore(loaded, modelFolder, EngineChoice.Of(_mlContext, engine));
    }

    /// <summary>
    /// Loads a zip that <c>mlContext.Model.Save</c> wrote: <c>mlContext.Model.Load</c> and <see cref="Restore"/> in one call. It finds the base model
    /// and opens it now, and looks for it beside the zip first. A plain <c>mlContext.Model.Load</c> cannot: ML.NET passes neither the file's path nor
    /// its contents to a transform of another library while it loads, so a base model that is missing shows at the first prediction.
    /// </summary>
    /// <param name="path">The zip file.</param>
    /// <param name="inputSchema">The schema that was saved with the model; null when there was none.</param>
    /// <param name="modelFolder">The base model's folder or name; null: the one that the saved model names.</param>
    /// <param name="engine">The engine; null: the managed CPU engine.</param>
    /// <returns>The saved transforms; dispose the chain when it is no longer needed.</returns>
    /// <exception cref="NlftException">
    /// The file contains no text generation, or no place has the base model: the message lists the places that were tried.
    /// </exception>
    public TransformerChain<ITransformer> LoadModel(
        string path, out DataViewSchema? inputSchema, string? modelFolder = null, IModelEngine? engine = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var loaded = _mlContext.Model.Load(path, out inputSchema);
        return ModelZip.Restore(loaded, modelFolder, EngineChoice.Of(_mlContext, engine), Path.GetDirectoryName(Path.GetFullPath(path)));
    }

    /// <summary>Opens a model as a chat client of Microsoft.Extensions.AI; the client disposes the model.</summary>
    /// <param name="folder">What <see cref="Save"/> wrote, or a model folder in Hugging Face layout.</param>
    /// <param name="options">Generation settings, the base model's folder and the engine; null: the defaults.</param>
    /// <exception cref="NlftException">The folder cannot be used, or an option lies outside its range.</exception>
    public IChatClient LoadChatClient(string folder, LocalChatClientOptions? options = null) =>
        NlftModel.LoadChatClient(folder, options is null ? null : options with { Engine = EngineChoice.Of(_mlContext, options.Engine) });
}
