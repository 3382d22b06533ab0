using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>
/// A model ready for use: network, tokenizer and prompts. Use it in plain .NET programs; the ML.NET API, the chat client and the command-line tool
/// are built on it.
/// </summary>
/// <remarks>
/// <see cref="Generate"/>, <see cref="Answer"/>, <see cref="AnswerStreaming"/> (a token at a time), <see cref="FineTune"/>,
/// <see cref="ExportAdapter"/>, <see cref="Save"/>, <see cref="SaveGguf"/>, saliency maps, disposal and the chat clients of the model are thread-safe
/// through one lock. The other members must be called by one caller at a time.
/// </remarks>
/// <example>
/// <code>
/// using var model = LocalModel.Load("models/tiny", new() { Trainable = TrainableWeights.Lora, Lora = new() });
/// model.FineTune(rows, objective);
/// Console.WriteLine(model.Answer(["What is 2 + 3?"])[0].Text);
/// model.Save("tuned");
///
/// using var again = LocalModel.Load("tuned");
/// </code>
/// </example>
public sealed class LocalModel : ITrainableModel, IDisposable
{
    private readonly LoraAdapter? _adapter;
    private readonly Lock _lock;
    private Communicator _trainedOn = Communicator.Single;
    private bool _disposed;

    internal LocalModel(
        ModelFolder folder, ICausalLanguageModel network, HuggingFaceTokenizer tokenizer, PromptEncoder prompts, IModelEngine engine,
        LoraAdapter? adapter, Communicator communicator, LocalModel? sharedWith = null)
    {
        _lock = sharedWith?._lock ?? new();
        (Folder, Network, Tokenizer, Prompts, Engine, _adapter, Communicator) = (folder, network, tokenizer, prompts, engine, adapter, communicator);
        Generator = new TextGenerator(network, tokenizer, prompts.StopIds) { Serialize = work => Serialize(work) };
    }

    /// <summary>Opens a model on an engine.</summary>
    /// <param name="folder">
    /// A model folder in Hugging Face layout, a GGUF file, or a saved model: what <see cref="Save"/>, <c>mlContext.Nlft().Save</c> or
    /// <c>nlft train</c> wrote. A saved model brings its base model, adapter and prompts; <paramref name="options"/> override them.
    /// </param>
    /// <param name="options">Engine, adapter, what to train, prompts.</param>
    /// <param name="cancellationToken">Observed while weights load.</param>
    /// <exception cref="NlftException">
    /// A file of the folder cannot be used, the base model of a saved model is missing or does not match, the tokenizer has ids that the network
    /// lacks, or the frozen weights are certain not to fit the memory that this process may use (managed engine).
    /// </exception>
    public static LocalModel Load(string folder, LocalModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return LocalModelLoader.Load(folder, options ?? new(), cancellationToken);
    }

    /// <summary>The opened folder.</summary>
    public ModelFolder Folder { get; }

    /// <summary>
    /// The base model's name: <see cref="LocalModelOptions.BaseModelName"/>, else its name on the hub where it is known, else the folder's own name.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>What the model was saved with; null when it was opened from a model folder.</summary>
    public LocalModelDescription? Description { get; internal init; }

    /// <summary>The engine that loaded the network.</summary>
    public IModelEngine Engine { get; }

    /// <summary>The network on its engine.</summary>
    public ICausalLanguageModel Network { get; }

    /// <summary>The tokenizer.</summary>
    public HuggingFaceTokenizer Tokenizer { get; }

    /// <summary>Encodes prompts and rows as token ids.</summary>
    public PromptEncoder Prompts { get; }

    /// <summary>The processes that share the work on this model (<see cref="LocalModelOptions.Communicator"/>).</summary>
    public Communicator Communicator { get; }

    /// <summary>Generates answers to prompts; use it inside <see cref="Serialize{T}"/>.</summary>
    internal TextGenerator Generator { get; }

    /// <summary>Answers questions, in batches.</summary>
    /// <param name="questions">The questions; an empty list gives no answers.</param>
    /// <param name="options">Generation options; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">An option lies outside its range, or a question cannot be encoded.</exception>
    public IReadOnlyList<GeneratedText> Answer(
        IReadOnlyList<string> questions, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        Generate([.. questions.Select(question => Encode(question, options))], options, cancellationToken);

    /// <summary>Answers prompts that <see cref="Prompts"/> encoded, in batches, for example of questions with an instruction.</summary>
    /// <param name="prompts">Prompts as token ids; an empty list gives no answers.</param>
    /// <param name="options">Generation options; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">
    /// An option lies outside its range, or a prompt is empty, too long, or has a token id outside the vocabulary.
    /// </exception>
    public IReadOnlyList<GeneratedText> Generate(
        IReadOnlyList<int[]> prompts, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        GeneratePart(prompts, options, firstRow: 0, cancellationToken);

    /// <summary>Answers some of many prompts; the parts give the same answers as one call with all prompts.</summary>
    /// <param name="prompts">Prompts as token ids; an empty list gives no answers.</param>
    /// <param name="options">Generation options; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="firstRow">Index of the first prompt among all, 0 or more; it selects the random stream of each row.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">
    /// An option lies outside its range, or a prompt is empty, too long, or has a token id outside the vocabulary.
    /// </exception>
    public IReadOnlyList<GeneratedText> GeneratePart(
        IReadOnlyList<int[]> prompts, GenerationOptions? options, int firstRow, CancellationToken cancellationToken = default)
    {
        options ??= new GenerationOptions();
        return GenerationTelemetry.Start(GenerationTelemetry.TextCompletion, Name, options) is { } telemetry ? telemetry.Measure(Run) : Run();

        IReadOnlyList<GeneratedText> Run() => Serialize(() => Generator.GeneratePart(prompts, options, firstRow, cancellationToken));
    }

    /// <summary>Answers one question as a stream of text fragments.</summary>
    /// <param name="question">The question.</param>
    /// <param name="options">Generation options; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">An option lies outside its range, or the question cannot be encoded.</exception>
    public IAsyncEnumerable<string> AnswerStreaming(
        string question, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new GenerationOptions();
        var prompt = Encode(question, options);
        return GenerationTelemetry.IsOn ? Measured(prompt, options, cancellationToken)
            : Generator.GenerateStreaming(prompt, options, completed: null, cancellationToken);
    }

    private async IAsyncEnumerable<string> Measured(
        int[] prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        GeneratedText? answer = null;
        var texts = Generator.GenerateStreaming(prompt, options, whole => answer = whole, cancellationToken);
        if (GenerationTelemetry.Start(GenerationTelemetry.TextCompletion, Name, options) is { } telemetry)
            texts = telemetry.Measure(texts, () => answer!);
        await foreach (var text in texts.ConfigureAwait(false)) yield return text;
    }

    private int[] Encode(string question, GenerationOptions? options) =>
        Prompts.EncodeQuestion(question, instruction: null, (options ?? new GenerationOptions()).MaximumNewTokens);

    /// <summary>Trains the model on rows: a <see cref="TrainingRun"/> in one call. The processes of a job train one model together.</summary>
    /// <param name="rows">One or more rows.</param>
    /// <param name="objective">The objective to minimize.</param>
    /// <param name="options">Training options; null: those of the published runs.</param>
    /// <param name="progress">Receives a report after every step; null: none.</param>
    /// <param name="cancellationToken">Observed between micro-batches.</param>
    /// <param name="timeProvider">The clock of progress and checkpoints; null: the system's.</param>
    /// <param name="monitor">Follows the run from start to end; null: none.</param>
    /// <param name="validation">
    /// Rows to hold out, whose questions no training row asks; null: the share that <see cref="ValidationOptions.Share"/> names.
    /// </param>
    /// <exception cref="NlftException">
    /// An option, a row or the model does not fit, or a number is not finite: see <see cref="TrainingRun"/>.
    /// </exception>
    public FineTuneResult FineTune(
        IReadOnlyList<TrainingExample> rows, ITokenObjective objective, FineTuneOptions? options = null,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default, TimeProvider? timeProvider = null,
        ITrainingMonitor? monitor = null, IReadOnlyList<TrainingExample>? validation = null) =>
        new TrainingRun(this, rows, objective, options, timeProvider, validation).Run(progress, cancellationToken, monitor);

    /// <summary>Returns a copy of the current adapter, or the one that was loaded if nothing can be trained.</summary>
    /// <exception cref="NlftException">The model was loaded without an adapter.</exception>
    public LoraAdapter ExportAdapter() => CurrentAdapter()
        ?? throw new NlftException($"the model of {Folder.Path}", "no adapter", "an adapter",
            "Load it with Trainable = TrainableWeights.Lora or with an Adapter.");

    /// <summary>The current adapter, or null.</summary>
    internal LoraAdapter? CurrentAdapter() => Serialize(() => Network.Trainable switch
    {
        TrainableWeights.None => _adapter,
        TrainableWeights.Lora => new LoraAdapter(Network.Lora!, [.. Network.Export(ModelState.Weights), .. _adapter?.Frozen ?? []]),
        _ => null,
    });

    /// <summary>
    /// Saves the model as a folder: the adapter as PEFT reads it (adapter_config.json, adapter_model.safetensors), its card (README.md) and
    /// nlft.json with the rest. The base model is not copied; nlft.json records its name, place and fingerprint. <see cref="Load"/>,
    /// <c>mlContext.Nlft().Load</c>, the chat client and the command-line tool open the folder. Of processes that trained together, the first one
    /// writes, and the others return when it has finished.
    /// </summary>
    /// <param name="folder">
    /// The folder; created when missing. Files with those names are replaced, except a README.md that this library did not write.
    /// </param>
    /// <param name="settings">
    /// Columns, generation and prompts; null: those it was last saved with, else the defaults with the prompts the model was opened with.
    /// </param>
    /// <param name="card">The card; null: the one it was last saved with, else one that names the base model.</param>
    /// <exception cref="NlftException">
    /// A setting lies outside its range, all weights of the model are trained, so there is no adapter to save, or the folder is the base model's.
    /// </exception>
    public void Save(string folder, LocalModelSettings? settings = null, ModelCard? card = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        settings ??= (Description?.Settings ?? new()) with { Prompts = Prompts.Options };
        settings.Validate();
        if (Network.Trainable == TrainableWeights.All)
        {
            throw new NlftException($"the model of {Folder.Path}", "all of its weights trained", "an adapter, or nothing trained",
                "Train with Trainable = TrainableWeights.Lora.");
        }
        if (Folder.IsAt(folder)) throw new NlftException(folder, "the folder of the base model", "another folder", "Save the model beside it.");
        card ??= Description?.Card is { } kept ? kept with { BaseModel = Name } : new ModelCard { BaseModel = Name };
        _trainedOn.OnFirst($"saving {folder}", () => LocalModelDescription.SaveModel(folder, Folder, CurrentAdapter(), settings, card));
    }

    /// <summary>
    /// Saves the whole model as one GGUF file, which llama.cpp, LLamaSharp, Ollama and LM Studio run: base weights with the adapter merged into
    /// them, or all weights as they were trained, with vocabulary, special tokens and chat template. <see cref="GgufExport.Write"/> says how exact
    /// the types are. Of processes that trained together, the first one writes, and the others return when it has finished.
    /// </summary>
    /// <param name="path">The file; written atomically.</param>
    /// <param name="options">Type, name, Modelfile; null: F16.</param>
    /// <param name="cancellationToken">Observed between rows of a weight.</param>
    /// <exception cref="NlftException">
    /// An option is not valid, the file exists, a weight is beyond the type's range, or llama.cpp does not have the architecture, one of its
    /// settings, or the tokenizer's steps.
    /// </exception>
    /// <exception cref="OperationCanceledException">Writing was cancelled; nothing is left.</exception>
    public void SaveGguf(string path, GgufExportOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var weights = Network.Trainable == TrainableWeights.All ? Serialize(() => Network.Export(ModelState.Weights)) : [];
        var trained = weights.ToDictionary(tensor => tensor.Name, tensor => tensor.Values, StringComparer.Ordinal);
        _trainedOn.OnFirst($"saving {path}",
            () => GgufExport.WriteTrained(Folder, CurrentAdapter(), trained, path, options ?? new(), cancellationToken));
    }

    /// <summary>Waits for exclusive use of the model and runs <paramref name="work"/>.</summary>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    internal T Serialize<T>(Func<T> work)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return work();
        }
    }

    internal bool IsDisposed => Volatile.Read(ref _disposed);

    FineTuneResult ITrainableModel.Train(Communicator processes, Func<FineTuneResult> training) => Serialize(() =>
    {
        var result = training();
        _trainedOn = processes;
        return result;
    });

    /// <summary>Waits for running work, then releases the network and the folder.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            Network.Dispose();
            Folder.Dispose();
        }
    }
}
