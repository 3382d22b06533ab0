using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// The state of a run between two steps, without the current weights and the optimizer. Shuffling and dropout are functions of the position, so
/// there is no generator state.
/// </summary>
internal sealed class RunState
{
    /// <summary>Epochs completed.</summary>
    public int Epoch { get; set; }

    /// <summary>Rows of the current epoch that are done.</summary>
    public int RowsDone { get; set; }

    /// <summary>Steps done, including skipped ones: the position in the schedule.</summary>
    public int Step { get; set; }

    /// <summary>Steps that were skipped because a number was not finite.</summary>
    public int Skipped { get; set; }

    /// <summary>Tokens of the trained sequences.</summary>
    public long TokensTrained { get; set; }

    /// <summary>The reports, one per step that was not skipped.</summary>
    public List<TrainingProgress> Steps { get; init; } = [];

    /// <summary>Recordings that are not reported yet.</summary>
    public IReadOnlyList<RecordedEpoch> Pending { get; set; } = [];

    /// <summary>The last epoch that was recorded; null: none.</summary>
    public int? LastRecorded => Pending.Concat(Steps.SelectMany(step => step.Recorded)).Select(recorded => (int?)recorded.Epoch).Max();

    /// <summary>The evaluations of the held-out rows, in order.</summary>
    public List<ValidationReport> Evaluations { get; init; } = [];

    /// <summary>How many of <see cref="Evaluations"/> are reported.</summary>
    public int EvaluationsReported { get; set; }

    /// <summary>The weights of the best evaluation; empty when none are kept.</summary>
    public IReadOnlyList<NamedTensor> BestWeights { get; set; } = [];

    /// <summary>Whether the run ends before its last epoch, because the evaluations gain nothing.</summary>
    public bool StoppedEarly { get; set; }

    /// <summary>Applies the outcome of a step.</summary>
    /// <param name="outcome">The step.</param>
    /// <param name="rowsOfEpoch">Rows per epoch.</param>
    /// <param name="tokensScored">Tokens of constant contexts scored so far.</param>
    /// <param name="meter">Measures the step.</param>
    public void Commit(StepOutcome outcome, int rowsOfEpoch, long tokensScored, ProgressMeter meter)
    {
        Step++;
        RowsDone += outcome.Window.Rows.Length;
        if (RowsDone == rowsOfEpoch) (Epoch, RowsDone) = (Epoch + 1, 0);
        if (outcome.Metrics is not { } metrics)
        {
            Skipped++;
            return;
        }
        TokensTrained += metrics.TokensTrained;
        var epochs = RowsDone == 0 ? Epoch : Epoch + (double)RowsDone / rowsOfEpoch;
        var figures = meter.Complete(Step, epochs, metrics, outcome.GradientNorm, outcome.LearningRate, TokensTrained + tokensScored);
        Steps.Add(figures with { SlowProcess = outcome.SlowProcess });
    }

    /// <summary>Adds the recordings and evaluations to the report of the newest step.</summary>
    public void ReportPending()
    {
        if (Steps.Count == 0 || (Pending.Count == 0 && EvaluationsReported == Evaluations.Count)) return;
        Steps[^1] = Steps[^1] with
        {
            Recorded = [.. Steps[^1].Recorded, .. Pending],
            Validation = [.. Steps[^1].Validation, .. Evaluations.Skip(EvaluationsReported)],
        };
        (Pending, EvaluationsReported) = ([], Evaluations.Count);
    }
}
