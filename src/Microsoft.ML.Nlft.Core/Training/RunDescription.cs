using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Describes a run that is about to start.</summary>
public sealed record RunDescription
{
    /// <summary>The display name of the base model.</summary>
    public required string Model { get; init; }

    /// <summary>The objective's name, for example "NLFT".</summary>
    public required string Method { get; init; }

    /// <summary>Rows per epoch, without those held out.</summary>
    public required int Rows { get; init; }

    /// <summary>Rows held out for validation. Default 0.</summary>
    public int ValidationRows { get; init; }

    /// <summary>Every option with its value.</summary>
    public required IReadOnlyList<ModelCardOption> Options { get; init; }

    /// <summary>Creates the saliency map of the recordings so far; null when the objective has none.</summary>
    internal Func<IReadOnlyList<RecordedEpoch>, SaliencyMap>? Map { get; init; }
}
