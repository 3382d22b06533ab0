using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training.Observers;

/// <summary>
/// Records the rows of <see cref="FineTuneOptions.RecordedRows"/> between epochs. It only scores them, so weights, gradients and dropout masks do
/// not change. A run that stopped before an epoch was recorded records it when it resumes.
/// </summary>
internal sealed class RecordingObserver(
    ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, IReadOnlyList<EncodedExample?> examples, TrainingTeam team)
    : ITrainingObserver
{
    private readonly EncodedExample[] _rows = [.. options.RecordedRows.Select(row => examples[row]).OfType<EncodedExample>()];
    private readonly SaliencyAnalyzer _analyzer = SaliencyAnalyzer.ForMap(model, objective, options.RowsPerPass);

    /// <summary>Refuses row indices that do not exist or repeat.</summary>
    /// <exception cref="NlftException">There is no row of that index, or it is named twice.</exception>
    public static void RequireRows(IReadOnlyList<int> recorded, int count)
    {
        foreach (var row in recorded)
        {
            OptionCheck.Require(row >= 0 && row < count, nameof(FineTuneOptions.RecordedRows), row, $"indices from 0 to {count - 1}",
                "Name rows that exist.");
            OptionCheck.Require(recorded.Count(other => other == row) == 1, nameof(FineTuneOptions.RecordedRows), row, "each index once",
                "Leave out its repetitions.");
        }
    }

    public void BeforeReport(RunState state, CancellationToken cancellationToken)
    {
        if (_rows.Length == 0 || state.RowsDone > 0 || state.LastRecorded == state.Epoch) return;
        var seen = team.RunOnAll(token => _analyzer.Analyze(_rows, token), cancellationToken);
        state.Pending = [.. state.Pending, new RecordedEpoch(state.Epoch, seen)];
    }
}
