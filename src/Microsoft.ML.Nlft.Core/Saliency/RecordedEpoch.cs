namespace Microsoft.ML.Nlft.Saliency;

/// <summary>How the objective sees the recorded rows at one moment of a run, dropout off.</summary>
/// <param name="Epoch">Epochs done; 0: before training.</param>
/// <param name="Rows">One entry per row of <c>FineTuneOptions.RecordedRows</c>, in that order.</param>
public sealed record RecordedEpoch(int Epoch, IReadOnlyList<ExampleSaliency> Rows);
