using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>The training loop: rows in, optimizer steps out. It knows the engine contract and the objective, and no tensor.</summary>
public sealed class FineTuner
{
    /// <summary>Creates the loop.</summary>
    public FineTuner(ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, TimeProvider? timeProvider = null) => throw new NotSupportedException();

    /// <summary>Trains on the rows.</summary>
    public FineTuneResult Run(IReadOnlyList<EncodedExample> examples, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();
}

/// <summary>What a run did.</summary>
/// <param name="Steps">One entry per optimizer step.</param>
/// <param name="Cancelled">Whether the run was cancelled and stopped early.</param>
public sealed record FineTuneResult(IReadOnlyList<TrainingProgress> Steps, bool Cancelled);
