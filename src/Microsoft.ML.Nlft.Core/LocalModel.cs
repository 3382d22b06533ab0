using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>
/// A model ready for use: network, tokenizer and prompts together. What a plain .NET program works with, and what the ML.NET face, the chat client and the
/// command-line tool stand on.
/// </summary>
/// <remarks>
/// <see cref="Generate"/>, <see cref="Answer"/>, <see cref="AnswerStreaming"/> (a token at a time), <see cref="FineTune"/>, <see cref="ExportAdapter"/>, <see cref="Save"/>, disposal and the chat clients of the
/// model take turns, whatever the thread. The other members are for one caller at a time.
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
public sealed class LocalModel : IDisposable
{
    private readonly PromptOptions _wording;
    private readonly LoraAdapter? _adapter;
    private readonly IModelEngine _engine;
    private readonly Lock _turn = new();
    private Communicator _trainedOn = Communicator.Single;
    private bool _disposed;

    private LocalModel(ModelFolder folder, ICausalLanguageModel network, HuggingFaceTokenizer tokenizer, PromptEncoder prompts, LocalModelOptions options)
    {
        (Folder, Network, Tokenizer, Prompts, _wording, _adapter, _engine) = (folder, network, tokenizer, prompts, options.Prompts!, options.Adapter, options.Engine!);
        Generator = new TextGenerator(network, tokenizer, prompts.StopIds) { Serialize = work => InTurn(work) };
    }

    /// <summary>Opens a model on an engine.</summary>
    /// <param name="folder">
    /// A model folder in Hugging Face layout, or a saved model: what <see cref="Save"/>, <c>mlContext.Nlft().Save</c> or <c>nlft train</c> wrote. Base model,
    /// adapter and prompts of a saved model are as saved unless <paramref name="options"/> say otherwise.
    /// </param>
    /// <param name="options">Engine, adapter, what to train, prompts.</param>
    /// <param name="cancellationToken">Observed while weights load.</param>
    /// <exception cref="NlftException">
    /// A file of the folder cannot be used, the base model of a saved model is missing or another, the tokenizer has ids that the network lacks, or
    /// the frozen weights are certain not to fit the memory that this process may use (managed engine).
    /// </exception>
    public static LocalModel Load(string folder, LocalModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new LocalModelOptions();
        if (!LocalModelDescription.IsIn(folder)) return Open(folder, options, saved: null, cancellationToken);
        var saved = LocalModelDescription.Load(folder);
        var filled = options with
        {
            Adapter = options.Adapter ?? (saved.HasAdapter ? LoraAdapter.Load(folder) : null),
            Prompts = options.Prompts ?? saved.Settings.Prompts,
        };
        return Open(saved.FindBaseModel(folder, options.BaseModelFolder), filled, saved, cancellationToken);
    }

    private static LocalModel Open(string folder, LocalModelOptions options, LocalModelDescription? saved, CancellationToken cancellationToken)
    {
        var opened = ModelFolder.Open(folder);
        try
        {
            var tokenizer = HuggingFaceTokenizer.Load(opened.Path);
            if (tokenizer.VocabularySize > opened.Configuration.VocabularySize)
                throw new NlftException($"the tokenizer of {opened.Path}", $"{tokenizer.VocabularySize} token ids",
                    $"at most {opened.Configuration.VocabularySize} (vocab_size of config.json)",
                    "Use the tokenizer.json that was published with these weights.");
            var asked = options.Prompts ?? new PromptOptions();
            var wording = asked with { MaximumTokens = Math.Min(asked.MaximumTokens, opened.Configuration.MaximumPositions) };
            var prompts = new PromptEncoder(tokenizer, ChatTemplate.Load(opened.Path), wording, opened.EndOfSequenceIds);
            var engine = options.Engine ?? new ManagedEngine();
            if (engine is ManagedEngine managed) LocalModelMemory.RequireWeights(opened, LocalModelMemory.Frozen(opened, options.Trainable, managed.Options), AvailableMemory);
            if (options.Trainable != TrainableWeights.None) _ = opened.WeightFingerprint; // now, of the files that are read now
            var network = engine.Load(options.For(opened), cancellationToken);
            return new LocalModel(opened, network, tokenizer, prompts, options with { Prompts = wording, Engine = engine }) { Description = saved };
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    private static long AvailableMemory => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>The opened folder.</summary>
    public ModelFolder Folder { get; }

    /// <summary>What the model was saved with; null when it was opened from a model folder.</summary>
    public LocalModelDescription? Description { get; private init; }

    /// <summary>The network on its engine.</summary>
    public ICausalLanguageModel Network { get; }

    /// <summary>The tokenizer.</summary>
    public HuggingFaceTokenizer Tokenizer { get; }

    /// <summary>Prompts and rows to token ids.</summary>
    public PromptEncoder Prompts { get; }

    /// <summary>Answers questions, in batches.</summary>
    /// <param name="questions">What to answer; none gives no answers.</param>
    /// <param name="options">How; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">An option lies outside its range, or a question cannot be encoded.</exception>
    public IReadOnlyList<GeneratedText> Answer(
        IReadOnlyList<string> questions, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        Generate([.. questions.Select(question => Encode(question, options))], options, cancellationToken);

    /// <summary>Answers prompts that <see cref="Prompts"/> made, in batches: for questions with an instruction.</summary>
    /// <param name="prompts">Prompts as token ids; none gives no answers.</param>
    /// <param name="options">How; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">An option lies outside its range, or a prompt is empty, too long, or has a foreign token.</exception>
    public IReadOnlyList<GeneratedText> Generate(
        IReadOnlyList<int[]> prompts, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        GeneratePart(prompts, options, firstRow: 0, cancellationToken);

    /// <summary>Answers a part of many prompts: together the parts give what one call would.</summary>
    /// <param name="prompts">Prompts as token ids; none gives no answers.</param>
    /// <param name="options">How; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="firstRow">Place of the first prompt among all, 0 or more: a row draws from the stream of random numbers of its place.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">An option lies outside its range, or a prompt is empty, too long, or has a foreign token.</exception>
    public IReadOnlyList<GeneratedText> GeneratePart(
        IReadOnlyList<int[]> prompts, GenerationOptions? options, int firstRow, CancellationToken cancellationToken = default) =>
        InTurn(() => Generator.GeneratePart(prompts, options ?? new GenerationOptions(), firstRow, cancellationToken));

    /// <summary>Answers one question as a stream of texts.</summary>
    /// <param name="question">What to answer.</param>
    /// <param name="options">How; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">An option lies outside its range, or the question cannot be encoded.</exception>
    public IAsyncEnumerable<string> AnswerStreaming(
        string question, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        Generator.GenerateStreaming(Encode(question, options), options ?? new GenerationOptions(), completed: null, cancellationToken);

    /// <summary>
    /// Encodes rows and trains on them: <see cref="FineTuner"/> in one call. Processes that a launcher of MPI has started train one model together
    /// (<see cref="FineTuneOptions.Distributed"/>).
    /// </summary>
    /// <param name="rows">One or more rows.</param>
    /// <param name="objective">What is minimised.</param>
    /// <param name="options">The set-up; null: the published one.</param>
    /// <param name="progress">Told of every step; an <see cref="ITrainingMonitor"/> of beginning and end, too.</param>
    /// <param name="cancellationToken">Observed between micro-batches.</param>
    /// <param name="timeProvider">The clock of progress and checkpoints; null: the system's.</param>
    /// <exception cref="NlftException">
    /// An option, a row or the model does not fit; see <see cref="FineTuner.Run"/>. Or the managed engine is certain to need more memory than there is.
    /// </exception>
    public FineTuneResult FineTune(
        IReadOnlyList<TrainingExample> rows, ITokenObjective objective, FineTuneOptions? options = null,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default, TimeProvider? timeProvider = null)
    {
        options ??= new FineTuneOptions();
        var ranks = options.Distributed ? Communicator.Current : Communicator.Single;
        var tuner = new FineTuner(Network, objective, options, timeProvider) { BaseModel = Folder.WeightFingerprint, Engine = _engine.Arithmetic, Ranks = ranks };
        return InTurn(() =>
        {
            var monitor = ranks.IsFirst ? progress as ITrainingMonitor : null;
            FineTuneResult? result = null;
            try
            {
                result = tuner.RunMade(() =>
                {
                    monitor?.Begin(DescribeRun(rows, objective, options));
                    EncodedExample[] encoded = [.. rows.Select(Prompts.Encode)];
                    if (_engine is ManagedEngine managed)
                        LocalModelMemory.Require(Network, LocalModelMemory.Frozen(Folder, Network.Trainable, managed.Options), options, encoded, AvailableMemory / ranks.SizeOnThisHost);
                    return encoded;
                }, progress, cancellationToken);
                _trainedOn = ranks;
                return result;
            }
            finally
            {
                monitor?.End(result);
            }
        });
    }

    /// <summary>What <see cref="FineTune"/> tells an <see cref="ITrainingMonitor"/> at the beginning: for who works with <see cref="FineTuner"/> directly.</summary>
    /// <param name="rows">The rows to train on.</param>
    /// <param name="objective">The objective.</param>
    /// <param name="options">The set-up.</param>
    public TrainingRun DescribeRun(IReadOnlyList<TrainingExample> rows, ITokenObjective objective, FineTuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(options);
        return new TrainingRun
        {
            Model = Name,
            Method = objective.Name,
            Rows = rows.Count,
            Options = AllOptions(objective, options),
            Map = objective is NaturalLanguageObjective language
                ? recorded => CreateSaliencyMap([.. options.RecordedRows.Select(row => rows[row])], language.Options, recorded) : null,
        };
    }

    /// <summary>A copy of the adapter as it stands now; the one that it was loaded with when nothing can be trained.</summary>
    /// <exception cref="NlftException">The model was loaded without an adapter.</exception>
    public LoraAdapter ExportAdapter() => CurrentAdapter()
        ?? throw new NlftException($"the model of {Folder.Path}", "no adapter of its own", "one", "Load it with Trainable = TrainableWeights.Lora or with an Adapter.");

    /// <summary>The adapter as it stands now, or null.</summary>
    internal LoraAdapter? CurrentAdapter() => InTurn(() => Network.Trainable switch
    {
        TrainableWeights.None => _adapter,
        TrainableWeights.Lora => new LoraAdapter(Network.Lora!, Network.Export(ModelState.Weights)),
        _ => null,
    });

    /// <summary>
    /// Saves the model as a folder: the adapter as PEFT reads it (adapter_config.json, adapter_model.safetensors), its card (README.md) and nlft.json with the
    /// rest. The base model is not copied; its path and fingerprint are kept. <see cref="Load"/>, <c>mlContext.Nlft().Load</c>, the chat client and the
    /// command-line tool open the folder. Of processes that trained together the first one writes, and the others return when it has.
    /// </summary>
    /// <param name="folder">
    /// The folder; created when missing, and its files of those names replaced, except a README.md that is no card of this library.
    /// </param>
    /// <param name="settings">Columns, generation and prompts; null: as it was saved before, else the defaults with the prompts the model was opened with.</param>
    /// <param name="card">The card; null: as it was saved before, else one that names the base model.</param>
    /// <exception cref="NlftException">A setting lies outside its range, or all weights of the model are trained: then there is no adapter to save.</exception>
    public void Save(string folder, LocalModelSettings? settings = null, ModelCard? card = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        settings ??= (Description?.Settings ?? new()) with { Prompts = _wording };
        settings.Validate();
        card ??= Description?.Card ?? new ModelCard { BaseModel = Path.GetFileName(Path.TrimEndingDirectorySeparator(Folder.Path)) };
        if (Network.Trainable == TrainableWeights.All)
            throw new NlftException($"the model of {Folder.Path}", "all of its weights trained", "an adapter, or nothing trained", "Train with Trainable = TrainableWeights.Lora.");
        _trainedOn.OnFirst($"saving {folder}", () =>
        {
            var adapter = CurrentAdapter();
            if (adapter is not null)
            {
                adapter.Save(folder, Folder.Path);
                card.Save(folder, ModelCardKind.Adapter);
            }
            // Last: a folder without it is not a saved model.
            new LocalModelDescription
            {
                BaseModelPath = Folder.Path,
                BaseModelFingerprint = Folder.Fingerprint,
                HasAdapter = adapter is not null,
                Settings = settings,
                Card = card,
            }.Save(folder);
        });
    }

    /// <summary>The card of what <see cref="FineTune"/> made of this model: every option with its value, the rows, and what the run did.</summary>
    /// <param name="rows">The rows it was trained on.</param>
    /// <param name="objective">The objective.</param>
    /// <param name="options">The set-up.</param>
    /// <param name="result">What the run did.</param>
    /// <param name="date">The day; null leaves it out.</param>
    public ModelCard CreateCard(
        IReadOnlyList<TrainingExample> rows, ITokenObjective objective, FineTuneOptions options, FineTuneResult result, DateOnly? date = null)
    {
        ArgumentNullException.ThrowIfNull(objective);
        return new ModelCard
        {
            BaseModel = Name,
            Method = objective.Name,
            Date = date,
            Data = ModelCardData.Of(rows),
            Training = ModelCardTraining.Of(result),
            Options = AllOptions(objective, options),
        };
    }

    private IReadOnlyList<ModelCardOption> AllOptions(ITokenObjective objective, FineTuneOptions options) =>
    [
        .. ModelCardOption.Of("Training", options), .. ModelCardOption.Of("LoRA", Network.Lora),
        .. ModelCardOption.Of("Objective", objective is NaturalLanguageObjective nlft ? nlft.Options : objective), .. ModelCardOption.Of("Prompts", _wording),
    ];

    /// <summary>What training on these rows would teach now, token by token; nothing is trained.</summary>
    /// <param name="rows">One or more rows.</param>
    /// <param name="objective">Thresholds and exponents; null: the published ones.</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    /// <exception cref="NlftException">A row or an option does not fit, or a number is not finite.</exception>
    /// <example>
    /// <code>
    /// using var model = LocalModel.Load("models/tiny");
    /// model.CreateSaliencyMap(JsonLinesReader.Read("rows.jsonl")).Save("map.html");
    /// </code>
    /// </example>
    public SaliencyMap CreateSaliencyMap(
        IReadOnlyList<TrainingExample> rows, NaturalLanguageObjectiveOptions? objective = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var language = new NaturalLanguageObjective(objective);
        var analyzer = new SaliencyAnalyzer(Network, language) { ClusterThresholds = ClusterReach.ThresholdsWith(language.Options.ClusterThreshold) };
        var seen = InTurn(() => analyzer.Analyze([.. rows.Select(Prompts.Encode)], cancellationToken));
        return CreateSaliencyMap(rows, language.Options, [new RecordedEpoch(0, seen)]);
    }

    /// <summary>What <see cref="FineTune"/> recorded (<see cref="FineTuneOptions.RecordedRows"/>), as a map with one moment per epoch.</summary>
    /// <param name="rows">The rows that were recorded, in the order of <see cref="FineTuneOptions.RecordedRows"/>.</param>
    /// <param name="objective">The options of the objective that was trained with.</param>
    /// <param name="recorded">What was recorded: one epoch or more.</param>
    /// <exception cref="NlftException">Nothing was recorded, or of other rows.</exception>
    public SaliencyMap CreateSaliencyMap(IReadOnlyList<TrainingExample> rows, NaturalLanguageObjectiveOptions objective, IReadOnlyList<RecordedEpoch> recorded)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(recorded);
        return SaliencyMap.Create(Name, objective, rows, recorded, id => Tokenizer.Decode([id], skipSpecialTokens: false));
    }

    /// <summary>The folder's own name: what people call the model.</summary>
    private string Name => Path.GetFileName(Path.TrimEndingDirectorySeparator(Folder.Path));

    /// <summary>The wording of the prompts in one text: runs of another wording are other runs.</summary>
    internal string PromptFingerprint => System.Text.Json.JsonSerializer.Serialize(_wording);

    private int[] Encode(string question, GenerationOptions? options) =>
        Prompts.EncodeQuestion(question, instruction: null, (options ?? new GenerationOptions()).MaximumNewTokens);

    /// <summary>What makes answers of prompts; to be used <see cref="InTurn"/>.</summary>
    internal TextGenerator Generator { get; }

    /// <summary>Waits for the model to be free and keeps it busy while <paramref name="work"/> runs.</summary>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    internal T InTurn<T>(Func<T> work)
    {
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return work();
        }
    }

    /// <summary>Waits for what is under way, then releases the network and the folder.</summary>
    public void Dispose()
    {
        lock (_turn)
        {
            if (_disposed) return;
            _disposed = true;
            Network.Dispose();
            Folder.Dispose();
        }
    }
}
