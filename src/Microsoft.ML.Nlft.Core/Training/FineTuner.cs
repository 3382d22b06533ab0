using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// The training loop: rows in, optimizer steps out. It knows the engine contract and the objective, and no tensor.
/// </summary>
/// <remarks>
/// Every epoch visits all rows in a new order, in windows of <see cref="FineTuneOptions.BatchSize"/> rows; each window, the short last
/// one of an epoch included, ends with one optimizer step. A window goes through the engine in micro-batches, and its loss is a mean
/// over the whole window, so their size changes nothing beyond rounding. For each micro-batch:
/// <list type="number">
/// <item>the judge and standard contexts that the objective reads as constants are scored in one call (or taken from the cache);</item>
/// <item>the trained contexts (base, and judge if the objective trains it) go forward with dropout on;</item>
/// <item>the objective turns the scores into a loss and coefficients, which go backward.</item>
/// </list>
/// A trained context's scores are those of its own forward pass, so the loss reported is the one differentiated. A run is a function of
/// model, rows, options and seed alone; order and dropout come from hashes of seed, epoch, row and context, never of the batch size.
/// </remarks>
public sealed class FineTuner
{
    private readonly ICausalLanguageModel _model;
    private readonly ITokenObjective _objective;
    private readonly FineTuneOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Creates the loop.</summary>
    /// <param name="model">A model loaded for training; the caller keeps it, and finds it trained after <see cref="Run"/>.</param>
    /// <param name="objective">What is minimised.</param>
    /// <param name="options">The set-up.</param>
    /// <param name="timeProvider">The clock of the progress figures; null: the system's.</param>
    /// <exception cref="NlftException">An option lies outside its range, or nothing of the model can be trained.</exception>
    public FineTuner(ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (model.Trainable == TrainableWeights.None)
            throw new NlftException("the model", "no trainable weights", "LoRA factors or all weights",
                "Load it with Trainable = TrainableWeights.Lora.");
        if (Enum.GetValues<Polarity>().Any(polarity => objective.TrainedContexts(polarity).HasFlag(PromptContexts.Standard)))
            throw new ArgumentException("The standard context is a constant: an objective has no coefficients for it.", nameof(objective));
        (_model, _objective, _options, _time) = (model, objective, options, timeProvider ?? TimeProvider.System);
    }

    /// <summary>Trains on the rows.</summary>
    /// <param name="examples">One or more rows.</param>
    /// <param name="progress">
    /// Told of every step after it is complete. What it throws ends the run and reaches the caller; the model then holds that step.
    /// </param>
    /// <param name="cancellationToken">
    /// Observed between micro-batches and inside the engine. The model keeps the last completed step and no half-accumulated gradient.
    /// </param>
    /// <returns>What every step reported.</returns>
    /// <exception cref="NlftException">
    /// A row does not fit the objective or the model, or a loss or gradient is not finite: the message names the step and the rows, and
    /// the weights are those of the step before.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled, unless <see cref="FineTuneOptions.ReturnPartialOnCancel"/>.</exception>
    public FineTuneResult Run(
        IReadOnlyList<EncodedExample> examples, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ExampleCheck.Validate(examples, _objective, _model.Configuration);
        var totalSteps = TotalSteps(examples.Count);
        var learningRate = new LearningRateCurve(_options.Schedule, _options.LearningRate, _options.WarmupRatio, totalSteps);
        var constants = new ConstantContexts(_model, _objective, examples);
        var recorder = new EpochRecorder(_model, _objective, examples, _options.RecordedRows, MicroBatchSize);
        var meter = new ProgressMeter(_time, totalSteps);
        var steps = new List<TrainingProgress>();
        try
        {
            if (_options.Refresh == ContextRefresh.Once) constants.ScoreAll(MicroBatchSize, cancellationToken);
            var recorded = recorder.Record(epoch: 0, cancellationToken);
            meter.StartSteps(constants.TokensScored);
            long tokensTrained = 0;
            for (var epoch = 0; epoch < _options.Epochs; epoch++)
            {
                if (_options.Refresh == ContextRefresh.EveryEpoch) constants.ScoreAll(MicroBatchSize, cancellationToken);
                var rowsDone = 0;
                foreach (var rows in RowOrder.OfEpoch(examples.Count, _options.Shuffle, _options.Seed, epoch).Chunk(_options.BatchSize))
                {
                    var window = new Window(examples, constants, rows, epoch, steps.Count + 1);
                    var metrics = Accumulate(window, cancellationToken);
                    var rate = learningRate.At(steps.Count);
                    var norm = Step(window, rate);
                    rowsDone += rows.Length;
                    tokensTrained += metrics.TokensTrained;
                    var epochsDone = epoch + (double)rowsDone / examples.Count;
                    var done = meter.Complete(window.Step, epochsDone, metrics, norm, rate, tokensTrained + constants.TokensScored);
                    steps.Add(done);
                    if (rowsDone == examples.Count) recorded = [.. recorded, .. recorder.Record(epoch + 1, cancellationToken)];
                    steps[^1] = done with { Recorded = recorded };
                    recorded = [];
                    progress?.Report(steps[^1]);
                    meter.StartStep();
                }
            }

            return new FineTuneResult(steps, Cancelled: false);
        }
        catch (OperationCanceledException) when (_options.ReturnPartialOnCancel && cancellationToken.IsCancellationRequested)
        {
            return new FineTuneResult(steps, Cancelled: true);
        }
    }

    /// <summary>The rows of one optimizer step.</summary>
    private sealed record Window(IReadOnlyList<EncodedExample> Examples, ConstantContexts Constants, int[] Rows, int Epoch, int Step)
    {
        /// <summary>What to do when this window's numbers are not finite.</summary>
        public string Remedy => $"The weights are those {(Step == 1 ? "before the first step" : $"after step {Step - 1}")}; " +
            "lower LearningRate, or leave out the row if it is at fault.";

        /// <summary>The row's name in messages.</summary>
        public string Place(int row) => $"training step {Step}, {Examples[row].Source}";
    }

    private int MicroBatchSize => _options.MicroBatchSize == 0 ? _options.BatchSize : _options.MicroBatchSize;

    private int TotalSteps(int rows)
    {
        var steps = (long)_options.Epochs * ((rows - 1) / _options.BatchSize + 1);
        OptionCheck.Require(steps <= int.MaxValue, nameof(_options.Epochs), _options.Epochs, $"at most {int.MaxValue} steps in all, not {steps}",
            "Train for fewer epochs.");
        return (int)steps;
    }

    /// <summary>Adds up the gradient of a window's loss; when that fails half-way, nothing of it remains.</summary>
    private WindowMetrics Accumulate(Window window, CancellationToken cancellationToken)
    {
        var metrics = new WindowMetrics();
        try
        {
            foreach (var rows in window.Rows.Chunk(MicroBatchSize)) AddMicroBatch(window, rows, metrics, cancellationToken);
            return metrics;
        }
        catch
        {
            _model.ClearGradients();
            throw;
        }
    }

    private void AddMicroBatch(Window window, int[] rows, WindowMetrics metrics, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var constants = window.Constants.Score(rows, cancellationToken);

        // The sequences to train: every row's base context, then the judge contexts of the rows whose objective trains them.
        var examples = Array.ConvertAll(rows, row => window.Examples[row]);
        var judged = rows.Where((_, i) => _objective.TrainedContexts(examples[i].Polarity).HasFlag(PromptContexts.Judge)).ToArray();
        TokenSequence[] sequences =
            [.. rows.Select(row => Sequence(window, row, PromptContexts.Base)), .. judged.Select(row => Sequence(window, row, PromptContexts.Judge))];
        var hiddenStates = examples.Any(example => _objective.NeedsHiddenStates(example.Polarity));
        using var pass = _model.Forward(sequences, hiddenStates, cancellationToken);

        var coefficients = new ReadOnlyMemory<float>[sequences.Length];
        for (var i = 0; i < rows.Length; i++)
        {
            var place = window.Place(rows[i]);
            var judgeSequence = rows.Length + Array.IndexOf(judged, rows[i]);
            var trainsJudge = judgeSequence >= rows.Length;
            var judge = trainsJudge ? pass.Scores[judgeSequence] : constants[i].Judge;
            var scores = new ExampleScores
            {
                Polarity = examples[i].Polarity,
                Base = ObjectiveInput.LogProbabilities(pass.Scores[i], $"{place}, base context", window.Remedy),
                Judge = ObjectiveInput.LogProbabilities(judge, $"{place}, judge context", window.Remedy),
                Standard = ObjectiveInput.LogProbabilities(constants[i].Standard, $"{place}, standard context", window.Remedy),
                HiddenStates = _objective.NeedsHiddenStates(examples[i].Polarity) ? pass.Scores[i].HiddenStates : [],
            };
            var result = ObjectiveInput.Evaluate(_objective, examples[i], scores, place, window.Remedy);
            var weight = Weight(window, examples[i]);
            coefficients[i] = Scale(result.Coefficients, weight);
            if (trainsJudge) coefficients[judgeSequence] = Scale(result.JudgeCoefficients, weight);
            metrics.Add(result, pass.Scores[i], weight);
        }

        pass.Backward(coefficients, cancellationToken);
        metrics.TokensTrained += sequences.Sum(sequence => (long)sequence.Tokens.Length);
    }

    private TokenSequence Sequence(Window window, int row, PromptContexts context) =>
        window.Examples[row].Sequence(context) with { DropoutSeed = RowOrder.DropoutSeed(_options.Seed, window.Epoch, row, context) };

    /// <summary>An example's share of its window's loss; the shares of a window add up to 1 whatever the micro-batches.</summary>
    private double Weight(Window window, EncodedExample example) => _options.Reduction switch
    {
        LossReduction.TokenMean => example.Response.Length / (double)window.Rows.Sum(row => (long)window.Examples[row].Response.Length),
        _ => 1.0 / window.Rows.Length,
    };

    private static float[] Scale(double[] coefficients, double weight) => Array.ConvertAll(coefficients, c => (float)(c * weight));

    /// <summary>Takes the optimizer step and refuses a norm that is not finite; the model has then left its weights alone.</summary>
    private double Step(Window window, double learningRate)
    {
        var norm = _model.ApplyGradients(_options.Optimizer, learningRate);
        if (double.IsFinite(norm)) return norm;
        var rows = string.Join("; ", window.Rows.Select(row => window.Examples[row].Source));
        throw new NlftException($"training step {window.Step}, gradient norm of {rows}", ObjectiveInput.Show(norm), "a finite number", window.Remedy);
    }
}

/// <summary>What a run did.</summary>
/// <param name="Steps">One entry per optimizer step.</param>
/// <param name="Cancelled">Whether the run was cancelled and stopped early.</param>
public sealed record FineTuneResult(IReadOnlyList<TrainingProgress> Steps, bool Cancelled)
{
    /// <summary>Everything that was recorded, by epoch; empty unless <see cref="FineTuneOptions.RecordedRows"/> asked for it.</summary>
    public IReadOnlyList<RecordedEpoch> Recorded => [.. Steps.SelectMany(step => step.Recorded)];
}
