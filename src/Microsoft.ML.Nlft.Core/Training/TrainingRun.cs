using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training.Observers;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Trains a model on rows with an objective and options. The constructor checks all of them; <see cref="Run"/> trains the model.</summary>
/// <remarks>
/// The result depends only on model, rows, options and seed. In a job of several processes, every process creates and runs the run with the same
/// arguments; if one process refuses them, all do.
/// </remarks>
/// <example>
/// <code>
/// using var model = LocalModel.Load("models/tiny", new() { Trainable = TrainableWeights.Lora });
/// var run = new TrainingRun(model, rows, new NaturalLanguageObjective(), new() { Epochs = 2 });
/// var result = run.Run();
/// model.Save("tuned", card: run.Card(result));
/// </code>
/// </example>
public sealed class TrainingRun
{
    private readonly ICausalLanguageModel _network;
    private readonly RunRows _rows;
    private readonly ITokenObjective _objective;
    private readonly FineTuneOptions _options;
    private readonly ITrainingGroup? _group;
    private readonly TimeProvider _time;
    private readonly Func<Func<FineTuneResult>, FineTuneResult> _train = training => training();

    /// <summary>Encodes the rows with the model's prompts and checks everything that can be checked before training.</summary>
    /// <param name="model">A model loaded for training.</param>
    /// <param name="rows">One or more rows.</param>
    /// <param name="objective">The objective to minimize.</param>
    /// <param name="options">Training options; null: those of the published runs.</param>
    /// <param name="timeProvider">The clock of progress, checkpoints and card; null: the system's.</param>
    /// <param name="validation">
    /// Rows to hold out, whose questions no training row asks; null: the share of the rows that <see cref="ValidationOptions.Share"/> names.
    /// </param>
    /// <exception cref="NlftException">
    /// An option lies outside its range, nothing of the model can be trained, a row does not fit the objective or the model, responses are blank or
    /// too long (<see cref="FineTuneOptions.SkipUnusableRows"/>), the response of a row without a judgment contradicts the gold answer
    /// (<see cref="FineTuneOptions.AllowContradictions"/>), or the engine is certain to need more memory than there is.
    /// </exception>
    public TrainingRun(
        ITrainableModel model, IReadOnlyList<TrainingExample> rows, ITokenObjective objective, FineTuneOptions? options = null,
        TimeProvider? timeProvider = null, IReadOnlyList<TrainingExample>? validation = null)
        : this((model ?? throw new ArgumentNullException(nameof(model))).Network, () => Encode(model, rows, validation, options ?? new()), objective,
            options, timeProvider, CommunicatorGroup.Of(ProcessesOf(model, options)))
    {
        _train = training => model.Train(ProcessesOf(model, options), training);
        (BaseModel, Engine) = (model.Folder.WeightFingerprint, model.Engine.Arithmetic);
        Description = Description with
        {
            Model = model.Name,
            Options = [.. Description.Options, .. ModelCardOption.Of("Prompts", model.Prompts.Options)],
            Map = objective.Thresholds is not { } thresholds ? null : recorded => Saliency.SaliencyMap.Create(
                model.Name, thresholds, [.. _options.RecordedRows.Where(row => _rows.Given[row] is not null).Select(row => rows[row])], recorded,
                id => model.Tokenizer.Decode([id], skipSpecialTokens: false), _time),
        };
    }

    /// <summary>Creates a run on rows that are already encoded. It has no saliency map, and its card names neither model nor prompts.</summary>
    /// <param name="network">A network loaded for training; the caller keeps ownership and must not use it while the run trains.</param>
    /// <param name="rows">One or more rows.</param>
    /// <param name="objective">The objective to minimize.</param>
    /// <param name="options">Training options; null: those of the published runs.</param>
    /// <param name="timeProvider">The clock of progress, checkpoints and card; null: the system's.</param>
    /// <param name="communicator">The processes that train the network together; null: this process alone.</param>
    /// <param name="validation">
    /// Rows to hold out, with other prompts than the rows to train on; null: the share of the rows that <see cref="ValidationOptions.Share"/> names.
    /// No question can be answered: <see cref="ValidationOptions.GeneratedRows"/> must be 0.
    /// </param>
    /// <exception cref="NlftException">An option lies outside its range, nothing can be trained, or a row does not fit.</exception>
    public TrainingRun(
        ICausalLanguageModel network, IReadOnlyList<EncodedExample> rows, ITokenObjective objective, FineTuneOptions? options = null,
        TimeProvider? timeProvider = null, Communicator? communicator = null, IReadOnlyList<EncodedExample>? validation = null)
        : this(network, () => RunRows.Of(rows, validation, options ?? new()), objective, options, timeProvider, CommunicatorGroup.Of(communicator))
    {
    }

    internal TrainingRun(
        ICausalLanguageModel network, Func<RunRows> rows, ITokenObjective objective, FineTuneOptions? options,
        TimeProvider? timeProvider, ITrainingGroup? group)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(objective);
        (_network, _objective, _options, _group, _time) = (network, objective, options ?? new(), group, timeProvider ?? TimeProvider.System);
        _options.Validate();
        _options = _options with { Refresh = _options.Refresh ?? objective.Refresh };
        RequireTrainable(network);
        if (Enum.GetValues<Polarity>().Any(polarity => objective.TrainedContexts(polarity).HasFlag(PromptContexts.Standard)))
            throw new ArgumentException("The standard context is a constant: an objective has no coefficients for it.", nameof(objective));
        foreach (var polarity in Enum.GetValues<Polarity>()) CandidateScoring.RequireConstant(objective, polarity);
        var team = new TrainingTeam(group);
        _rows = team.ReportFailures(() => team.RunOnAll(_ =>
        {
            var encoded = rows();
            ExampleCheck.Validate(encoded.Training, objective, network.Configuration);
            if (encoded.Validation.Count > 0) ExampleCheck.Validate(encoded.Validation, objective, network.Configuration);
            return encoded;
        }, CancellationToken.None));
        TotalSteps = _options.TotalSteps(_rows.Training.Count);
        Description = new RunDescription
        {
            Model = "",
            Method = objective.Name,
            Rows = _rows.Training.Count,
            ValidationRows = _rows.Validation.Count,
            Options =
            [
                .. ModelCardOption.Of("Training", _options),
                .. ModelCardOption.Of("Validation", _rows.Validation.Count == 0 ? null : _options.Validation),
                .. ModelCardOption.Of("LoRA", network.Lora),
                .. objective.Settings.Select(setting => new ModelCardOption("Objective", setting.Key, setting.Value)),
            ],
        };
    }

    /// <summary>Describes the run, with every option.</summary>
    public RunDescription Description { get; }

    /// <summary>What is doubtful in the rows; null for rows that were already encoded.</summary>
    public DataReport? Data => _rows.Report;

    /// <summary>Optimizer steps of the whole run.</summary>
    public int TotalSteps { get; }

    /// <summary>
    /// The fingerprint of the base model (<see cref="ModelFolder.WeightFingerprint"/>): a checkpoint with a different one is refused. Default: the
    /// model's; null for a bare network.
    /// </summary>
    public string? BaseModel { get; init; }

    /// <summary>
    /// The engine's arithmetic (<see cref="IModelEngine.Arithmetic"/>): a checkpoint with a different one is refused unless
    /// <see cref="FineTuneOptions.ResumeOnAnotherEngine"/> is set. Default: the model's; null, unchecked, for a bare network.
    /// </summary>
    public string? Engine { get; init; }

    /// <summary>Trains the model.</summary>
    /// <param name="progress">Receives a report after every completed step; null: none. An exception ends the run.</param>
    /// <param name="cancellationToken">
    /// Observed between micro-batches and inside the engine. The model is left at the last completed step, without a partial gradient.
    /// </param>
    /// <param name="monitor">Follows the run from start to end; null: none. An exception ends the run.</param>
    /// <returns>The reports of all steps.</returns>
    /// <exception cref="NlftException">
    /// A checkpoint cannot be used or written, or a loss or gradient is not finite: the message names the step and the rows, and the weights are
    /// those of the step before.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled, unless <see cref="FineTuneOptions.ReturnPartialOnCancel"/>.</exception>
    public FineTuneResult Run(
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default, ITrainingMonitor? monitor = null) => _train(() =>
    {
        var team = new TrainingTeam(_group);
        var observer = new MonitorObserver(progress, monitor, reports: team.Rank == 0);
        return team.ReportFailures(() =>
            observer.Follow(Description, team, () =>
            {
                CheckpointObserver? checkpoints = null;
                try
                {
                    return Loop(team, observer, ref checkpoints, cancellationToken).Run(cancellationToken);
                }
                finally
                {
                    checkpoints?.Dispose();
                }
            }, cancellationToken));
    });

    /// <summary>Creates the model card of the trained model: every option with its value, the rows, the date and the result of the run.</summary>
    /// <param name="result">What <see cref="Run"/> returned.</param>
    public ModelCard Card(FineTuneResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var (first, last) = (result.Steps.FirstOrDefault(), result.Steps.LastOrDefault());
        return new ModelCard
        {
            BaseModel = Description.Model,
            Method = Description.Method,
            Date = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime),
            Data = ModelCardData.Of(_rows.Training),
            Options = Description.Options,
            Training = new ModelCardTraining(result.Steps.Count, last?.TotalSteps ?? 0, first?.Loss, last?.Loss, first?.TokenAccuracy,
                last?.TokenAccuracy, last?.TokensSeen ?? 0, result.Cancelled),
            Validation = result.Best is not { } best ? null : new ModelCardValidation(_rows.Validation.Count, result.Validation.Count, best.Step,
                best.Epoch, best.Loss, result.Validation.FirstOrDefault(report => report.Step == 0)?.Loss)
            {
                Accuracy = best.Accuracy, Answered = best.Answered, KeptBest = result.KeptBest, StoppedEarly = result.StoppedEarly,
            },
        };
    }

    /// <summary>Creates the saliency map of <see cref="FineTuneOptions.RecordedRows"/>, before training and after every epoch.</summary>
    /// <param name="result">What <see cref="Run"/> returned.</param>
    /// <returns>The map; null when nothing was recorded, or the objective has no map (<see cref="ITokenObjective.Thresholds"/>).</returns>
    public SaliencyMap? SaliencyMap(FineTuneResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return result.Recorded.Count == 0 ? null : Description.Map?.Invoke(result.Recorded);
    }

    private TrainingLoop Loop(TrainingTeam team, MonitorObserver monitor, ref CheckpointObserver? opened, CancellationToken cancellationToken)
    {
        var contexts = new ConstantContexts(_network, _objective, _rows.Training, team);
        var identity = new Lazy<RunIdentity>(() => RunIdentity.Of(BaseModel, Engine, _network, _objective, _options, _rows));
        var options = team.Rank == 0 ? _options : _options with { CheckpointFolder = null }; // one process writes
        var checkpoints = opened = team.RunOnAll(_ => new CheckpointObserver(options, _network, identity, contexts, _time), cancellationToken);
        var resumed = team.RunOnAll(_ => checkpoints.Resume(), cancellationToken);
        team.RequireSame(identity, resumed?.State.Step ?? 0, _network);
        var state = resumed?.State ?? new RunState();
        var validation = new ValidationObserver(_network, _objective, _options, _rows, team, state);
        return new TrainingLoop
        {
            Options = _options,
            Rows = _rows.Training,
            Step = new TrainingStep(_network, _objective, _options, contexts, team, _time),
            Contexts = contexts,
            Team = team,
            Rates = new LearningRateCurve(_options.Schedule, _options.LearningRate, _options.WarmupRatio, _options.Part?.StepsInAll ?? TotalSteps),
            Meter = new ProgressMeter(_time, TotalSteps),
            Checkpoints = checkpoints,
            Resumed = resumed,
            State = state,
            Validation = validation,
            Observers = [new RecordingObserver(_network, _objective, _options, _rows.Given, team), validation, checkpoints, monitor],
        };
    }

    private static Communicator ProcessesOf(ITrainableModel model, FineTuneOptions? options) =>
        Communicator.Resolve(options is not { Distributed: false }, model.Communicator);

    private static RunRows Encode(
        ITrainableModel model, IReadOnlyList<TrainingExample> rows, IReadOnlyList<TrainingExample>? validation, FineTuneOptions options)
    {
        var encoded = RunRows.Of(model, rows, validation, options);
        if (!options.AllowContradictions)
        {
            encoded.Report!.RequireNoContradictions();
            encoded.HeldOutReport?.RequireNoContradictions(RunRows.HeldOut);
        }
        MemoryCheck.RequireTraining(model.Engine, model.Network, model.Folder.WeightBytes, options, encoded.Training, encoded.Validation,
            ProcessesOf(model, options).SizeOnThisHost);
        return encoded;
    }

    /// <summary>Refuses a model that was loaded for scoring alone.</summary>
    /// <exception cref="NlftException">Nothing of the model can be trained.</exception>
    internal static void RequireTrainable(ICausalLanguageModel network)
    {
        if (network.Trainable != TrainableWeights.None) return;
        throw new NlftException("the model", "no trainable weights", "LoRA factors or all weights",
            "Load it with Trainable = TrainableWeights.Lora.");
    }
}
