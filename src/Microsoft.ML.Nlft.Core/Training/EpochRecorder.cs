using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Looks at some rows between epochs. It only scores: neither weights nor gradients nor the draws of dropout change.</summary>
internal sealed class EpochRecorder
{
    private readonly EncodedExample[] _rows;
    private readonly SaliencyAnalyzer _analyzer;

    /// <exception cref="NlftException">There is no row of that index, or it is named twice.</exception>
    public EpochRecorder(ICausalLanguageModel model, ITokenObjective objective, IReadOnlyList<EncodedExample> examples, IReadOnlyList<int> rows, int batchSize)
    {
        foreach (var row in rows)
        {
            OptionCheck.Require(row >= 0 && row < examples.Count, nameof(FineTuneOptions.RecordedRows), row, $"indices from 0 to {examples.Count - 1}", "Name rows that are there.");
            OptionCheck.Require(rows.Count(other => other == row) == 1, nameof(FineTuneOptions.RecordedRows), row, "each index once", "Leave out its repetitions.");
        }
        _rows = [.. rows.Select(row => examples[row])];
        _analyzer = new SaliencyAnalyzer(model, objective, batchSize)
        {
            ClusterThresholds = objective is NaturalLanguageObjective language ? ClusterReach.ThresholdsWith(language.Options.ClusterThreshold) : null,
        };
    }

    /// <summary>The rows as the objective sees them now; nothing when none is to be recorded.</summary>
    public IReadOnlyList<RecordedEpoch> Record(int epoch, CancellationToken cancellationToken) =>
        _rows.Length == 0 ? [] : [new RecordedEpoch(epoch, _analyzer.Analyze(_rows, cancellationToken))];
}
