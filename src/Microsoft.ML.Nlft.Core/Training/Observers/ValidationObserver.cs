using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training.Observers;

/// <summary>
/// Evaluates the held-out rows when it is due, keeps the best weights in the run's state, and stops the run when patience ends. It only scores and
/// answers, so training does not change. The figures do not depend on the number of processes: rows are scored in the same micro-batches and added
/// up in the same order everywhere.
/// </summary>
internal sealed class ValidationObserver : ITrainingObserver
{
    private readonly ICausalLanguageModel _model;
    private readonly FineTuneOptions _options;
    private readonly RunRows _rows;
    private readonly TrainingTeam _team;
    private readonly SaliencyAnalyzer _analyzer;

    /// <param name="model">The network.</param>
    /// <param name="objective">The objective of the run.</param>
    /// <param name="options">The training options.</param>
    /// <param name="rows">The rows of the run.</param>
    /// <param name="team">The processes that share the evaluation.</param>
    /// <param name="state">The state from which the run starts.</param>
    public ValidationObserver(
        ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, RunRows rows, TrainingTeam team, RunState state)
    {
        (_model, _options, _rows, _team) = (model, options, rows, team);
        _analyzer = new SaliencyAnalyzer(model, objective, options.RowsPerPass);
        Best = state.Evaluations.FindLast(report => report.IsBest);
    }

    /// <summary>The best evaluation after a step; null: none.</summary>
    public ValidationReport? Best { get; private set; }

    /// <summary>Evaluates the held-out rows when it is due. A run that stopped before that evaluates them when it resumes.</summary>
    public void BeforeReport(RunState state, CancellationToken cancellationToken)
    {
        if (_rows.Validation.Count == 0) return;
        if (IsDue(state)) Commit(state, Judge(Evaluate(state, cancellationToken), state));
        state.StoppedEarly = _options.Validation.Patience > 0 && !_options.IsEnd(state.Epoch, state.Step)
            && state.Evaluations is [.., var last] && last.WithoutGain >= _options.Validation.Patience;
    }

    /// <summary>Gives the model the best weights; returns false when none are kept, and the model has the last weights.</summary>
    public bool ReturnBest(RunState state)
    {
        if (state.BestWeights.Count == 0) return false;
        if (Best!.Step != state.Step) _model.Import(ModelState.Weights, state.BestWeights);
        return true;
    }

    private bool IsDue(RunState state)
    {
        if (state.Evaluations is [.., var last] && last.Step == state.Step) return false;
        if (state.Step == 0 || _options.IsEnd(state.Epoch, state.Step)) return true;
        return _options.Validation.Steps == 0 ? state.RowsDone == 0 : state.Step % _options.Validation.Steps == 0;
    }

    private ValidationReport Evaluate(RunState state, CancellationToken cancellationToken)
    {
        if (state.RowsDone > 0) _team.KeepEqual(_model); // between epochs the loop has done it
        var loss = Loss(state.Step, cancellationToken);
        var answers = _rows.Answers?.Answer(_team, cancellationToken);
        return new ValidationReport
        {
            Step = state.Step,
            Epoch = state.Epoch + (double)state.RowsDone / _rows.Training.Count,
            Loss = loss,
            Correct = answers?.Count(answer => answer.Outcome == AnswerOutcome.Correct),
            Answered = answers?.Count ?? 0,
            Samples = [.. answers?.Take(_options.Validation.SampleAnswers) ?? []],
        };
    }

    /// <summary>Scores every row and reduces the losses over all rows.</summary>
    private double Loss(int step, CancellationToken cancellationToken)
    {
        var rows = _rows.Validation;
        var batches = Enumerable.Range(0, rows.Count).Chunk(_options.RowsPerPass).ToArray();
        var shares = WindowShares.Distribute([.. Enumerable.Range(0, batches.Length)],
            batch => batches[batch].Sum(row => (long)rows[row].Sequence(PromptContexts.Base).Tokens.Length), _team.Size);
        var losses = new double[rows.Count]; // a row's is 0 on the processes that do not score it
        _team.RunOnAll(token =>
        {
            foreach (var batch in shares[_team.Rank].Select(batch => batches[batch]))
            {
                foreach (var (row, seen) in batch.Zip(Analyze([.. batch.Select(row => rows[row])], step, token))) losses[row] = seen.Loss;
            }
            return true;
        }, cancellationToken, losses);
        if (_options.Reduction == LossReduction.ExampleMean) return losses.Sum() / rows.Count;
        return losses.Zip(rows, (loss, row) => loss * row.CountedTokens).Sum() / rows.Sum(row => (long)row.CountedTokens);
    }

    private IReadOnlyList<ExampleSaliency> Analyze(EncodedExample[] rows, int step, CancellationToken cancellationToken)
    {
        try
        {
            return _analyzer.Analyze(rows, cancellationToken);
        }
        catch (NlftException e) when (e.NotFinite)
        {
            throw new NlftException($"validation {(step == 0 ? "before training" : $"after step {step}")}, {e.Subject}", e.Found, e.Expected,
                "Lower LearningRate, or leave out the row if it is at fault.", e) { NotFinite = true };
        }
    }

    /// <summary>Compares an evaluation with those before it. The first after a step is always a gain.</summary>
    private ValidationReport Judge(ValidationReport report, RunState state)
    {
        if (report.Step == 0) return report;
        var previous = state.Evaluations[^1]; // at least that before training
        var isGain = previous.Step == 0 || IsBetter(report, state.Evaluations[^(1 + previous.WithoutGain)], _options.Validation.MinimumGain);
        return report with
        {
            IsBest = Best is null || IsBetter(report, Best, minimumGain: 0),
            WithoutGain = isGain ? 0 : previous.WithoutGain + 1,
        };
    }

    /// <summary>Whether an evaluation is better than an earlier one. A hundred answers often tie: then the loss decides.</summary>
    private bool IsBetter(ValidationReport report, ValidationReport earlier, double minimumGain)
    {
        if (_options.Validation.Measure == ValidationMeasure.Loss) return earlier.Loss - report.Loss > minimumGain;
        var gain = report.Accuracy!.Value - earlier.Accuracy!.Value;
        return gain > minimumGain || (gain == 0 && minimumGain == 0 && report.Loss < earlier.Loss);
    }

    private void Commit(RunState state, ValidationReport report)
    {
        if (report.IsBest && _options.Validation.KeepBest) state.BestWeights = _model.Export(ModelState.Weights);
        if (report.IsBest) Best = report;
        state.Evaluations.Add(report);
    }
}
