using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using RowOrder = Microsoft.ML.Nlft.Training.RowOrder;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>
/// Reinforced fine-tuning (ReFT; T. Luong et al., arXiv 2401.08967): after a warm-up by supervised fine-tuning, the model responds to questions, and
/// proximal policy optimization makes the tokens likelier that earned more than a value head expected, without leaving the warmed-up model far.
/// </summary>
/// <remarks>
/// One batch: a response to each of its questions at temperature 1; scores of 1, 0.1 or 0; generalised advantages, whitened over the batch; then a
/// few steps on it. The value head is linear on the last hidden state and has an optimizer of its own: unlike the published code, its gradient does
/// not reach the network. With <see cref="ReinforcedOptions.Folder"/> a run that stops anywhere resumes to the weights of an undisturbed one. One
/// process trains.
/// </remarks>
/// <example>
/// <code>
/// using var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora });
/// var run = new ReinforcedRun(model, DataFile.Read("solutions.jsonl"), new() { Epochs = 20, LearningRate = 1e-4 });
/// foreach (var batch in run.Run().Batches) Console.WriteLine($"{batch.Batch}: reward {batch.Reward:0.00}");
/// model.Save("reinforced");
/// </code>
/// </example>
public sealed class ReinforcedRun
{
    private readonly LocalModel _model;
    private readonly IReadOnlyList<DataRow> _rows, _heldOut;
    private readonly ReinforcedOptions _options;
    private readonly IResponseReward _reward;
    private readonly TimeProvider _time;
    private readonly int _batchesPerEpoch;

    /// <summary>Creates a run.</summary>
    /// <param name="model">A model loaded for training; it must not be used while the run trains.</param>
    /// <param name="rows">
    /// One or more rows with questions and gold answers. The warm-up learns their responses, worked solutions, or their answers where there are none.
    /// </param>
    /// <param name="options">The options; null: the defaults.</param>
    /// <param name="heldOut">Questions with gold answers; the weights that answer most of them stay. Null: the last weights stay.</param>
    /// <param name="reward">Scores the responses; null: by the final number, as published.</param>
    /// <param name="timeProvider">The clock of progress; null: the system's.</param>
    /// <exception cref="NlftException">An option lies outside its range, nothing can be trained, or a row lacks a question or an answer.</exception>
    public ReinforcedRun(LocalModel model, IReadOnlyList<DataRow> rows, ReinforcedOptions? options = null, IReadOnlyList<DataRow>? heldOut = null,
        IResponseReward? reward = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        (_model, _rows, _heldOut, _options) = (model, rows, heldOut ?? [], options ?? new());
        (_reward, _time) = (reward ?? new FinalNumberReward(), timeProvider ?? TimeProvider.System);
        _options.Validate();
        Training.TrainingRun.RequireTrainable(model.Network);
        if (model.Communicator.Size > 1)
            throw new NlftException("the processes of the job", $"{model.Communicator.Size}", "one", "Start the program without an MPI launcher.");
        if (rows.Count == 0) throw new NlftException("questions", "none", "one or more", "Check the file or the filter the rows come from.");
        foreach (var row in _rows.Concat(_heldOut)) row.Require(nameof(row.Answer));
        _batchesPerEpoch = ((rows.Count - 1) / _options.BatchSize) + 1;
    }

    /// <summary>Trains the model.</summary>
    /// <param name="progress">Receives a report after every batch; null: none. An exception ends the run.</param>
    /// <param name="cancellationToken">Observed between tokens and inside the engine; the folder keeps the work.</param>
    /// <exception cref="NlftException">The folder holds another run or cannot be written, or a number is not finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ReinforcedResult Run(IProgress<ReinforcedProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var held = _options.Folder is { } path ? FolderLock.Inside(path) : null;
        var identity = Identity();
        var state = _options.Folder is { } folder ? _model.Serialize(() => ReinforcedState.Load(folder, identity, _model.Network)) : null;
        if (state is null)
        {
            WarmUp(cancellationToken);
            state = new ReinforcedState { Reference = Weights(), Values = new ValueHead(_model.Network.Configuration.HiddenSize) };
            Save(state, identity);
        }
        var (begin, first, batches) = (_time.GetTimestamp(), state.Reports.Count, _batchesPerEpoch * _options.Epochs);
        for (var batch = first; batch < batches; batch++)
        {
            var report = _model.Serialize(() => Learn(state, batch, cancellationToken));
            var epochEnds = (batch + 1) % _batchesPerEpoch == 0;
            if (_heldOut.Count > 0 && (_options.EvaluateEvery == 0 ? epochEnds : (batch + 1) % _options.EvaluateEvery == 0 || batch + 1 == batches))
                report = report with { HeldOutRight = Evaluate(state, cancellationToken) };
            var elapsed = _time.GetElapsedTime(begin);
            state.Reports.Add(report);
            if ((batch + 1) % _options.SaveEvery == 0 || batch + 1 == batches) Save(state, identity);
            progress?.Report(report with { Elapsed = elapsed, Remaining = elapsed / (batch + 1 - first) * (batches - batch - 1) });
        }
        if (state.Best.Count > 0) _model.Serialize(() => Import(state.Best));
        return new ReinforcedResult([.. state.Reports], state.BestRight);
    }

    /// <summary>Creates the model card of the trained model: every option with its value, and the date.</summary>
    /// <param name="result">What <see cref="Run"/> returned.</param>
    public ModelCard Card(ReinforcedResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return new ModelCard
        {
            BaseModel = _model.Name,
            Method = "ReFT",
            Date = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime),
            Options =
            [
                .. ModelCardOption.Of("ReFT", _options), .. ModelCardOption.Of("LoRA", _model.Network.Lora),
                .. ModelCardOption.Of("Prompts", _model.Prompts.Options),
            ],
        };
    }

    private void WarmUp(CancellationToken cancellationToken)
    {
        if (_options.WarmUp is not { } training) return;
        _model.FineTune([.. _rows.Select(row => (row with { Response = row.Response ?? row.Answer, Judgment = null }).ToExample(needsAnswer: false))],
            new LikelihoodObjective(), training with { Seed = _options.Seed, AllowContradictions = true }, null, cancellationToken, _time);
    }

    /// <summary>Responds to the questions of a batch and takes the steps on the responses.</summary>
    private ReinforcedProgress Learn(ReinforcedState state, int batch, CancellationToken cancellationToken)
    {
        var epoch = batch / _batchesPerEpoch;
        var rows = RowOrder.OfEpoch(_rows.Count, shuffle: true, _options.Seed, epoch)
            .Skip(batch % _batchesPerEpoch * _options.BatchSize).Take(_options.BatchSize).ToArray();
        var drawn = Draw(rows, batch, cancellationToken);
        var rollouts = Rollout.Of(drawn, Score(drawn, cancellationToken), ScoreByReference(drawn, state.Reference, cancellationToken), state.Values,
            _options);
        var (policy, value, norm) = (0.0, 0.0, 0.0);
        for (var step = 0; step < _options.StepsPerBatch; step++)
        {
            (policy, value) = (0, 0);
            foreach (var part in rollouts.Chunk(MicroBatch))
            {
                var losses = Backward(part, rollouts.Length, state.Values, (batch * _options.StepsPerBatch) + step, cancellationToken);
                (policy, value) = (policy + losses.Policy, value + losses.Value);
            }
            norm = _model.Network.ApplyGradients(_options.Optimizer, _options.LearningRate);
            if (!double.IsFinite(norm))
            {
                throw new NlftException($"batch {batch + 1}, gradient norm", ObjectiveInput.Show(norm), "a finite number",
                    "Lower the learning rate, or check the model's weights.") { NotFinite = true };
            }
            state.Values.Step(_options.Optimizer, _options.ValueLearningRate);
        }
        var (tokens, trained) = (rollouts.Sum(rollout => (long)rollout.Old.Length), rollouts.Sum(rollout => (long)rollout.Sequence.Tokens.Length));
        return new ReinforcedProgress
        {
            Batch = batch + 1,
            Batches = _batchesPerEpoch * _options.Epochs,
            Epoch = (batch + 1.0) / _batchesPerEpoch,
            Reward = rollouts.Average(rollout => rollout.Score),
            RightShare = rollouts.Count(rollout => rollout.Score >= 1) / (double)rollouts.Length,
            Divergence = rollouts.Sum(rollout => rollout.Old.Zip(rollout.Reference, (old, reference) => old - reference).Sum()) / tokens,
            PolicyLoss = policy,
            ValueLoss = value,
            GradientNorm = norm,
            TokensSeen = (state.Reports is [.., var last] ? last.TokensSeen : 0) + (trained * (3 + _options.StepsPerBatch)),
        };
    }

    /// <summary>Adds the gradients of some of a batch's rollouts.</summary>
    private (double Policy, double Value) Backward(Rollout[] rollouts, int inAll, ValueHead values, int step, CancellationToken cancellationToken)
    {
        using var pass = _model.Network.Forward([.. rollouts.Select(rollout => rollout.Sequence with
        {
            DropoutSeed = RowOrder.DropoutSeed(_options.Seed, step, rollout.Row, PromptContexts.Base),
        })], hiddenStates: true, cancellationToken);
        var (policy, value, width) = (0.0, 0.0, _model.Network.Configuration.HiddenSize);
        var coefficients = new ReadOnlyMemory<float>[rollouts.Length];
        for (var i = 0; i < rollouts.Length; i++)
        {
            var (rollout, hidden) = (rollouts[i], pass.Scores[i].HiddenStates);
            var logP = ObjectiveInput.LogProbabilities(pass.Scores[i], $"response to {_rows[rollout.Row].Source}", "Lower the learning rate.");
            var (estimates, share) = (values.Values(hidden.Span), 1.0 / (inAll * logP.Length));
            var own = new float[logP.Length];
            for (var t = 0; t < own.Length; t++)
            {
                var term = ClippedLoss.Policy(logP[t], rollout.Old[t], rollout.Advantages[t], _options.Clip);
                var estimate = ClippedLoss.Value(estimates[t], rollout.Values[t], rollout.Returns[t], _options.ValueClip);
                own[t] = (float)(share * term.Coefficient);
                (policy, value) = (policy + share * term.Loss, value + share * estimate.Loss);
                values.Add(hidden.Span.Slice(t * width, width), _options.ValueCoefficient * share * estimate.Slope);
            }
            coefficients[i] = own;
        }
        pass.Backward(coefficients, cancellationToken);
        return (policy, value);
    }

    private Drawn[] Draw(int[] rows, int batch, CancellationToken cancellationToken)
    {
        var generation = _options.Generation with { Seed = unchecked((int)SplitMix64.Hash((ulong)_options.Seed, (ulong)batch)) };
        DecodingRow[] decoding = [.. rows.Select((row, i) => _model.Generator.CreateRow(
            _model.Prompts.EncodeQuestion(_rows[row].Question, _rows[row].Instruction, generation.MaximumNewTokens), generation, i))];
        foreach (var part in decoding.Chunk(generation.MaximumBatchSize)) _model.Generator.Extend(part, extended: null, cancellationToken);
        return [.. decoding.Select((response, i) =>
        {
            var text = response.Result();
            var score = _reward.Of(_rows[rows[i]] with { Response = text.Text, Judgment = null });
            return new Drawn(rows[i], new TokenSequence((int[])[.. response.Prompt, .. text.Tokens], response.Prompt.Length), score);
        })];
    }

    private TokenScores[] Score(Drawn[] drawn, CancellationToken cancellationToken) => [.. drawn.Chunk(MicroBatch).SelectMany(part =>
        _model.Network.Score([.. part.Select(one => one.Sequence)], hiddenStates: true, cancellationToken))];

    private TokenScores[] ScoreByReference(Drawn[] drawn, IReadOnlyList<NamedTensor> reference, CancellationToken cancellationToken)
    {
        var current = Weights();
        Import(reference);
        try
        {
            return Score(drawn, cancellationToken);
        }
        finally
        {
            Import(current);
        }
    }

    /// <summary>Answers the held-out questions and keeps the weights if no earlier ones answered as many.</summary>
    private int Evaluate(ReinforcedState state, CancellationToken cancellationToken)
    {
        var generation = _options.Generation with { Temperature = 0, LogProbabilities = false, TopLogProbabilities = 0 };
        var answers = _model.Generate(
            [.. _heldOut.Select(row => _model.Prompts.EncodeQuestion(row.Question, row.Instruction, generation.MaximumNewTokens))], generation,
            cancellationToken);
        var right = answers.Zip(_heldOut, (answer, row) => ExactMatchEvaluator.Compare(answer.Text, row.Answer!, source: row.Source))
            .Count(row => row.Outcome == AnswerOutcome.Correct);
        if (right > (state.BestRight ?? -1)) (state.BestRight, state.Best) = (right, Weights());
        return right;
    }

    private int MicroBatch => _options.MicroBatchSize == 0 ? _options.BatchSize : _options.MicroBatchSize;

    private IReadOnlyList<NamedTensor> Weights() => _model.Serialize(() => _model.Network.Export(ModelState.Weights));

    private bool Import(IReadOnlyList<NamedTensor> weights)
    {
        _model.Network.Import(ModelState.Weights, weights);
        return true;
    }

    private void Save(ReinforcedState state, IReadOnlyDictionary<string, string> identity)
    {
        if (_options.Folder is not { } folder) return;
        _model.Serialize(() =>
        {
            state.Save(folder, identity, _model.Network);
            return true;
        });
    }

    /// <summary>Everything that the result depends on, by name.</summary>
    private SortedDictionary<string, string> Identity() => FolderIdentity.Of(_model, _options,
        ("Rows", ResponseGenerator.IdentityOf([.. _rows.SelectMany(row => new[] { row.Instruction, row.Question, row.Response, row.Answer })])),
        ("Held-out rows", ResponseGenerator.IdentityOf([.. _heldOut.SelectMany(row => new[] { row.Instruction, row.Question, row.Answer })])),
        ("Reward", _reward.Name));
}
