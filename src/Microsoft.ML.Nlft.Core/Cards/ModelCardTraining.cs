using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>A summary of a training run for a <see cref="ModelCard"/>. Losses and accuracies are null when no step was taken.</summary>
/// <param name="Steps">Optimizer steps taken.</param>
/// <param name="TotalSteps">Optimizer steps planned.</param>
/// <param name="FirstLoss">Loss of the first step's rows before the step.</param>
/// <param name="LastLoss">Loss of the last step's rows before the step.</param>
/// <param name="FirstTokenAccuracy">Share of the first step's response tokens that the model ranked first, from 0 to 1.</param>
/// <param name="LastTokenAccuracy">The same for the last step.</param>
/// <param name="TokensSeen">Tokens processed in all contexts.</param>
/// <param name="Cancelled">Whether the run was stopped early.</param>
public sealed record ModelCardTraining(
    int Steps, int TotalSteps, double? FirstLoss, double? LastLoss, double? FirstTokenAccuracy, double? LastTokenAccuracy, long TokensSeen,
    bool Cancelled)
{
    /// <summary>Creates the summary of a run.</summary>
    public static ModelCardTraining Of(FineTuneResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var (first, last) = (result.Steps.FirstOrDefault(), result.Steps.LastOrDefault());
        return new ModelCardTraining(result.Steps.Count, last?.TotalSteps ?? 0, first?.Loss, last?.Loss, first?.TokenAccuracy, last?.TokenAccuracy,
            last?.TokensSeen ?? 0, result.Cancelled);
    }
}
