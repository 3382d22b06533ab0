using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>
/// A model folder ready for use: network, tokenizer and prompts together. What a plain .NET program works with, and what the ML.NET
/// face wraps.
/// </summary>
/// <remarks>
/// <see cref="Generate"/>, <see cref="Answer"/>, <see cref="FineTune"/>, disposal and the chat clients of the model take turns, whatever the
/// thread. The other members, <see cref="AnswerStreaming"/> among them, are for one caller at a time.
/// </remarks>
/// <example>
/// <code>
/// using var model = LocalModel.Load("models/tiny", new() { Trainable = TrainableWeights.Lora, Lora = new() });
/// model.FineTune(rows, objective);
/// Console.WriteLine(model.Answer(["What is 2 + 3?"])[0].Text);
/// model.ExportAdapter().Save("adapter");
/// </code>
/// </example>
public sealed class LocalModel : IDisposable
{
    private readonly PromptOptions _wording;
    private readonly Lock _turn = new();
    private bool _disposed;

    private LocalModel(ModelFolder folder, ICausalLanguageModel network, HuggingFaceTokenizer tokenizer, PromptEncoder prompts, PromptOptions wording)
    {
        (Folder, Network, Tokenizer, Prompts, _wording) = (folder, network, tokenizer, prompts, wording);
        Generator = new TextGenerator(network, tokenizer, prompts.StopIds);
    }

    /// <summary>Opens a model folder on an engine.</summary>
    /// <param name="folder">Model folder in Hugging Face layout.</param>
    /// <param name="options">Engine, adapter, what to train, prompts.</param>
    /// <param name="cancellationToken">Observed while weights load.</param>
    /// <exception cref="NlftException">A file of the folder cannot be used, or its tokenizer has ids that its network lacks.</exception>
    public static LocalModel Load(string folder, LocalModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new LocalModelOptions();
        var opened = ModelFolder.Open(folder);
        try
        {
            var tokenizer = HuggingFaceTokenizer.Load(opened.Path);
            if (tokenizer.VocabularySize > opened.Configuration.VocabularySize)
                throw new NlftException($"the tokenizer of {opened.Path}", $"{tokenizer.VocabularySize} token ids",
                    $"at most {opened.Configuration.VocabularySize} (vocab_size of config.json)",
                    "Use the tokenizer.json that was published with these weights.");
            var limit = Math.Min(options.Prompts.MaximumTokens, opened.Configuration.MaximumPositions);
            var wording = options.Prompts with { MaximumTokens = limit };
            var prompts = new PromptEncoder(tokenizer, ChatTemplate.Load(opened.Path), wording, opened.EndOfSequenceIds);
            var network = (options.Engine ?? new ManagedEngine()).Load(options.For(opened), cancellationToken);
            return new LocalModel(opened, network, tokenizer, prompts, wording);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>The opened folder.</summary>
    public ModelFolder Folder { get; }

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
        InTurn(() => Generator.Generate(prompts, options ?? new GenerationOptions(), cancellationToken));

    /// <summary>Answers one question as a stream of texts.</summary>
    /// <param name="question">What to answer.</param>
    /// <param name="options">How; null: the most likely answer of at most 512 tokens.</param>
    /// <param name="cancellationToken">Observed between tokens.</param>
    /// <exception cref="NlftException">An option lies outside its range, or the question cannot be encoded.</exception>
    public IAsyncEnumerable<string> AnswerStreaming(
        string question, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        Generator.GenerateStreaming(Encode(question, options), options ?? new GenerationOptions(), completed: null, cancellationToken);

    /// <summary>Encodes rows and trains on them: <see cref="FineTuner"/> in one call.</summary>
    /// <param name="rows">One or more rows.</param>
    /// <param name="objective">What is minimised.</param>
    /// <param name="options">The set-up; null: the published one.</param>
    /// <param name="progress">Told of every step; an <see cref="ITrainingMonitor"/> of beginning and end, too.</param>
    /// <param name="cancellationToken">Observed between micro-batches.</param>
    /// <exception cref="NlftException">An option, a row or the model does not fit; see <see cref="FineTuner.Run"/>.</exception>
    public FineTuneResult FineTune(
        IReadOnlyList<TrainingExample> rows, ITokenObjective objective, FineTuneOptions? options = null,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new FineTuneOptions();
        var tuner = new FineTuner(Network, objective, options);
        return InTurn(() =>
        {
            var monitor = progress as ITrainingMonitor;
            FineTuneResult? result = null;
            try
            {
                monitor?.Begin(DescribeRun(rows, objective, options));
                return result = tuner.Run([.. rows.Select(Prompts.Encode)], progress, cancellationToken);
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

    /// <summary>A copy of the adapter as it stands now.</summary>
    /// <exception cref="NlftException">The model was loaded without an adapter.</exception>
    public LoraAdapter ExportAdapter() => Network.Lora is { } lora && Network.Trainable != TrainableWeights.All
        ? new LoraAdapter(lora, Network.Export(ModelState.Weights))
        : throw new NlftException($"the model of {Folder.Path}", "no adapter of its own", "one",
            "Load it with Trainable = TrainableWeights.Lora or with an Adapter.");

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

    /// <summary>Waits for what is under way, then releases the network and the folder whose mapped weights it may read.</summary>
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

/// <summary>How <see cref="LocalModel"/> opens a folder.</summary>
public sealed record LocalModelOptions
{
    /// <summary>The engine; null: the managed CPU engine.</summary>
    public IModelEngine? Engine { get; init; }

    /// <summary>An adapter to apply, or null.</summary>
    public LoraAdapter? Adapter { get; init; }

    /// <summary>The fresh adapter to create when training LoRA without <see cref="Adapter"/>; null: the published settings.</summary>
    public LoraConfiguration? Lora { get; init; }

    /// <summary>What can be trained. Default nothing.</summary>
    public TrainableWeights Trainable { get; init; }

    /// <summary>Wording and limits of the prompts; no more tokens than the model has positions.</summary>
    public PromptOptions Prompts { get; init; } = new();

    /// <summary>Seeds a fresh adapter. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>What the engine is asked to load.</summary>
    internal ModelLoadOptions For(ModelFolder folder)
    {
        var freshAdapter = Trainable == TrainableWeights.Lora && Adapter is null;
        return new() { Folder = folder, Adapter = Adapter, Lora = freshAdapter ? Lora ?? new() : Lora, Trainable = Trainable, Seed = Seed };
    }
}
