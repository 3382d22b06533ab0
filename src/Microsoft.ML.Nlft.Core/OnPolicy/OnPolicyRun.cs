using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>
/// Trains a model on its own responses in rounds: in each, the model responds to all questions with the weights that it has by then, a judge reads
/// the responses, and the model trains on those that are kept. Weights and optimizer go on from round to round.
/// </summary>
/// <remarks>
/// The processes of a job draw, judge and train together; the first one writes. With <see cref="OnPolicyOptions.Folder"/> a run that stops anywhere
/// resumes to the weights of an undisturbed one. An objective whose teacher is scored once (<see cref="ITokenObjective.Refresh"/>) keeps the weights
/// before the first round as its teacher.
/// </remarks>
/// <example>
/// <code>
/// using var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora });
/// var run = new OnPolicyRun(model, DataFile.Read("questions.csv"), new RuleBasedJudge(), new NaturalLanguageObjective(),
///     new() { Rounds = 5, StepsPerRound = 10, Folder = "rounds" });
/// foreach (var round in (await run.RunAsync()).Rounds) Console.WriteLine($"round {round.Round}: {round.Right} of {round.Drawn} right");
/// model.Save("tuned");
/// </code>
/// </example>
public sealed class OnPolicyRun
{
    private readonly LocalModel _model;
    private readonly IReadOnlyList<DataRow> _questions;
    private readonly IResponseJudge _judge;
    private readonly ITokenObjective _objective;
    private readonly OnPolicyOptions _options;
    private readonly TimeProvider _time;
    private readonly Communicator _processes;
    private readonly RoundFolder? _folder;

    /// <summary>Creates a run.</summary>
    /// <param name="model">A model loaded for training; it must not be used while the run trains.</param>
    /// <param name="questions">One or more rows with questions and gold answers; their responses and judgments are not read.</param>
    /// <param name="judge">Judges the responses.</param>
    /// <param name="objective">What is trained: for right and wrong responses alike, or with <see cref="KeptResponses.Right"/> any.</param>
    /// <param name="options">The options; null: the defaults.</param>
    /// <param name="timeProvider">The clock of progress and checkpoints; null: the system's.</param>
    /// <exception cref="NlftException">An option lies outside its range, nothing can be trained, or a row lacks a question or an answer.</exception>
    public OnPolicyRun(LocalModel model, IReadOnlyList<DataRow> questions, IResponseJudge judge, ITokenObjective objective,
        OnPolicyOptions? options = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(questions);
        ArgumentNullException.ThrowIfNull(judge);
        ArgumentNullException.ThrowIfNull(objective);
        (_model, _judge, _objective, _options, _time) = (model, judge, objective, options ?? new(), timeProvider ?? TimeProvider.System);
        _options.Validate();
        TrainingRun.RequireTrainable(model.Network);
        if (questions.Count == 0)
            throw new NlftException("questions", "none", "one or more", "Check the file or the filter the rows come from.");
        foreach (var row in questions) row.Require(nameof(row.Answer));
        _questions = [.. questions.Select(row => row with { Response = null, Judgment = null })];
        _processes = Communicator.Resolve(_options.Training.Distributed, model.Communicator);
        _folder = _options.Folder is { } folder ? new RoundFolder(folder) : null;
    }

    /// <summary>Runs all rounds, or those that an interrupted run has not ended.</summary>
    /// <param name="progress">Receives reports from within the rounds; null: none. An exception ends the run.</param>
    /// <param name="cancellationToken">Observed between tokens, judgments and micro-batches.</param>
    /// <returns>What every round drew and learned.</returns>
    /// <exception cref="NlftException">
    /// A response cannot be judged, the folder holds another run or cannot be written, a number is not finite, no round had a row to train on, or
    /// all steps were skipped.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled, unless <see cref="FineTuneOptions.ReturnPartialOnCancel"/>.</exception>
    public async Task<OnPolicyResult> RunAsync(IProgress<OnPolicyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var held = _processes.IsFirst && _options.Folder is { } path ? FolderLock.Inside(path) : null;
        _folder?.Begin(Identity(), _processes.IsFirst);
        var teacher = (_options.Training.Refresh ?? _objective.Refresh) == ContextRefresh.Once ? Export(ModelState.Weights) : null;
        var rounds = new List<OnPolicyRound>(_folder?.Finished().Take(_options.Rounds) ?? []);
        var judged = rounds.Select(round => _options.KeepEarlier ? _folder!.JudgedBefore(round.Round) : []).ToList();
        if (_folder?.State(rounds) is { } end) Import(end);
        FineTuneResult? training = null;
        try
        {
            while (rounds.Count < _options.Rounds)
            {
                var report = new Reporter(_processes.IsFirst ? progress : null, rounds.Count + 1, _options.Rounds);
                judged.Add(await JudgedAsync(report, cancellationToken).ConfigureAwait(false));
                var rows = Choose(_options.KeepEarlier ? judged.SelectMany(round => round) : judged[^1]);
                var trained = rows.Count == 0 ? null : Train(report, rows, teacher, cancellationToken);
                training = trained ?? training;
                if (trained is { Cancelled: true }) return new OnPolicyResult(rounds, Cancelled: true) { LastTraining = training };
                rounds.Add(Round(report.Round, judged[^1], rows.Count, trained));
                if (_folder is not null) _processes.OnFirst($"writing the end of round {report.Round}", () => _folder.End(rounds));
                report.Ended(rounds[^1]);
            }
        }
        catch (OperationCanceledException) when (_options.Training.ReturnPartialOnCancel && cancellationToken.IsCancellationRequested)
        {
            return new OnPolicyResult(rounds, Cancelled: true) { LastTraining = training };
        }
        if (rounds.Any(round => round.Steps > 0)) return new OnPolicyResult(rounds, Cancelled: false) { LastTraining = training };
        if (rounds.Sum(round => round.SkippedSteps) is > 0 and var skipped)
        {
            throw new NlftException("the rounds", $"{skipped} steps, all of them skipped", "at least one with finite numbers",
                "Lower the learning rate, or check the model's weights.") { NotFinite = true };
        }
        throw new NlftException("the rounds",
            $"{rounds.Sum(round => round.Drawn)} responses, {rounds.Sum(round => round.Right)} right and {rounds.Sum(round => round.Wrong)} wrong",
            _options.Keep == KeptResponses.Right ? "at least one right response" : "at least one that can be judged",
            "Draw more responses to a question, keep wrong ones too, or draw them in view of the answer.");
    }

    /// <summary>Creates the model card of the trained model: every option with its value, the responses trained on, and the date.</summary>
    /// <param name="result">What <see cref="RunAsync"/> returned.</param>
    public ModelCard Card(OnPolicyResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return new ModelCard
        {
            BaseModel = _model.Name,
            Method = $"{_objective.Name} in {result.Rounds.Count} rounds",
            Date = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime),
            Data = new ModelCardData(result.Rounds.Sum(round => round.Right),
                _options.Keep == KeptResponses.Right ? 0 : result.Rounds.Sum(round => round.Wrong), []),
            Options =
            [
                .. ModelCardOption.Of("Rounds", _options),
                .. ModelCardOption.Of("LoRA", _model.Network.Lora),
                .. _objective.Settings.Select(setting => new ModelCardOption("Objective", setting.Key, setting.Value)),
                .. ModelCardOption.Of("Prompts", _model.Prompts.Options),
            ],
        };
    }

    /// <summary>Draws the responses of a round and judges them, or reads what an interrupted run kept of it.</summary>
    private async Task<IReadOnlyList<DataRow>> JudgedAsync(Reporter report, CancellationToken cancellationToken)
    {
        var round = report.Round;
        if (_folder?.Judged(round) is { } kept) return kept;
        var responses = new List<DataRow>();
        await foreach (var response in ResponseGenerator.GenerateAsync(_model, _questions.ToAsyncEnumerable(), new()
        {
            SamplesPerQuestion = _options.SamplesPerQuestion,
            Generation = _options.Generation with { Seed = unchecked(_options.Generation.Seed + round - 1) },
            Context = _options.DrawFrom,
            Journal = _folder?.Responses(round),
            QuestionCount = _questions.Count,
            Progress = report.Of<DataProgress>(drawn => report.Progress with { Drawing = drawn }),
            TimeProvider = _time,
            Distributed = _options.Training.Distributed,
        }, cancellationToken).ConfigureAwait(false))
        {
            if (!string.IsNullOrWhiteSpace(response.Row.Response)) responses.Add(response.Row);
        }
        var judged = await _judge.JudgeAllAsync(responses.DistinctBy(row => (row.Question, row.Instruction, row.Response)).ToAsyncEnumerable(), new()
        {
            Journal = _folder?.Judgments(round),
            RowCount = responses.Count,
            Progress = report.Of<DataProgress>(verdicts => report.Progress with { Judging = verdicts }),
            TimeProvider = _time,
            Distributed = _options.Training.Distributed,
            Communicator = _processes,
        }, cancellationToken).ToSetAsync(cancellationToken).ConfigureAwait(false);
        if (_folder is not null) _processes.OnFirst($"writing the responses of round {round}", () => _folder.Keep(round, judged.Rows));
        return judged.Rows;
    }

    private List<DataRow> Choose(IEnumerable<DataRow> judged)
    {
        var answers = _options.Training.TrainOnAnswers ? _questions.Select(row => row with { Response = row.Answer }) : [];
        return [.. answers.Concat(judged.Where(row => _options.Keep == KeptResponses.All || row.Polarity == Polarity.Correct))
            .DistinctBy(row => (row.Question, row.Instruction, row.Response))];
    }

    /// <summary>Takes the steps of a round.</summary>
    private FineTuneResult Train(Reporter report, List<DataRow> rows, IReadOnlyList<NamedTensor>? teacher, CancellationToken cancellationToken)
    {
        var training = _options.Training;
        var windows = ((rows.Count - 1) / training.BatchSize) + 1;
        var checkpoints = _folder?.Checkpoints(report.Round);
        return _model.FineTune([.. rows.Select(row => row.ToExample())], _objective, training with
        {
            Epochs = ((_options.StepsPerRound - 1) / windows) + 1,
            MaximumSteps = _options.StepsPerRound,
            Part = new RunPart((report.Round - 1) * _options.StepsPerRound, _options.Rounds * _options.StepsPerRound, teacher),
            Seed = unchecked(training.Seed + report.Round - 1),
            TrainOnAnswers = false, // they are among the rows
            Validation = new(),
            RecordedRows = [],
            AllowContradictions = true, // the judge decides
            SkipUnusableRows = true,
            CheckpointFolder = checkpoints,
            ResumeFrom = checkpoints,
        }, report.Of<TrainingProgress>(step => report.Progress with { Step = step }), cancellationToken, _time);
    }

    private OnPolicyRound Round(int round, IReadOnlyList<DataRow> judged, int rows, FineTuneResult? trained) => new()
    {
        Round = round,
        Drawn = _questions.Count * _options.SamplesPerQuestion,
        Right = judged.Count(row => row.Polarity == Polarity.Correct),
        Wrong = judged.Count(row => row.Polarity == Polarity.Incorrect),
        Rows = rows,
        Steps = trained?.Steps.Count ?? 0,
        SkippedSteps = trained?.SkippedSteps ?? 0,
        FirstLoss = trained?.Steps.FirstOrDefault()?.Loss,
        LastLoss = trained?.Steps.LastOrDefault()?.Loss,
    };

    private IReadOnlyList<NamedTensor> Export(ModelState state) => _model.Serialize(() => _model.Network.Export(state));

    private void Import(Checkpoint end) => _model.Serialize(() =>
    {
        _model.Network.Import(ModelState.Weights, end.ModelWeights);
        _model.Network.Import(ModelState.Optimizer, end.OptimizerState);
        return true;
    });

    /// <summary>Everything that the result depends on, by name.</summary>
    private SortedDictionary<string, string> Identity() => FolderIdentity.Of(_model, _options,
    [
        ("Questions", ResponseGenerator.IdentityOf([.. _questions.SelectMany(row => new[] { row.Instruction, row.Question, row.Answer })])),
        ("Judge", _judge.Name),
        ("Objective", _objective.Name),
        .. _objective.Settings.Select(setting => ($"Objective.{setting.Key}", setting.Value)),
    ]);

    /// <summary>Reports from within a round.</summary>
    private sealed class Reporter(IProgress<OnPolicyProgress>? progress, int round, int rounds)
    {
        public int Round => round;

        public OnPolicyProgress Progress { get; } = new(round, rounds);

        public void Ended(OnPolicyRound report) => progress?.Report(Progress with { Done = report });

        /// <summary>A receiver of one kind of report; null if nobody listens.</summary>
        public IProgress<T>? Of<T>(Func<T, OnPolicyProgress> report) =>
            progress is null ? null : new Receiver<T>(value => progress.Report(report(value)));
    }

    private sealed class Receiver<T>(Action<T> receive) : IProgress<T>
    {
        public void Report(T value) => receive(value);
    }
}
