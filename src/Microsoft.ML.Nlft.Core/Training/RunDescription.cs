using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>What is about to be trained.</summary>
public sealed record RunDescription
{
    /// <summary>The base model, as a name for people.</summary>
    public required string Model { get; init; }

    /// <summary>The objective's name, for example "NLFT".</summary>
    public required string Method { get; init; }

    /// <summary>Rows of an epoch.</summary>
    public required int Rows { get; init; }

    /// <summary>Every option with its value.</summary>
    public required IReadOnlyList<ModelCardOption> Options { get; init; }

    /// <summary>Makes the map of what was recorded so far; null when there is none.</summary>
    internal Func<IReadOnlyList<RecordedEpoch>, SaliencyMap>? Map { get; init; }
}
