using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>
/// A progress listener that is also told what begins and how it ends. <see cref="LocalModel.FineTune"/> and the ML.NET trainers find out by themselves whether
/// the listener they were given is one.
/// </summary>
public interface ITrainingMonitor : IProgress<TrainingProgress>
{
    /// <summary>A run begins; comes before its first report.</summary>
    void Begin(TrainingRun run);

    /// <summary>The run is over.</summary>
    /// <param name="result">What it did; null: it failed.</param>
    void End(FineTuneResult? result);
}

/// <summary>What is about to be trained.</summary>
public sealed record TrainingRun
{
    /// <summary>The base model, as a name for people.</summary>
    public required string Model { get; init; }

    /// <summary>The objective's name, for example "NLFT".</summary>
    public required string Method { get; init; }

    /// <summary>Rows of a pass.</summary>
    public required int Rows { get; init; }

    /// <summary>Every option with its value.</summary>
    public required IReadOnlyList<ModelCardOption> Options { get; init; }

    /// <summary>Makes the map of what was recorded so far; null when the objective has none.</summary>
    internal Func<IReadOnlyList<RecordedEpoch>, SaliencyMap>? Map { get; init; }
}
