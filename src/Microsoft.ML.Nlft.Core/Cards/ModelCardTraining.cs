namespace Microsoft.ML.Nlft.Cards;

/// <summary>What a training run did, for a <see cref="ModelCard"/>. Losses and accuracies are null when no step was made.</summary>
/// <param name="Steps">Optimizer steps made.</param>
/// <param name="TotalSteps">Optimizer steps planned.</param>
/// <param name="FirstLoss">Loss of the first step's rows, before the step.</param>
/// <param name="LastLoss">Loss of the last step's rows, before the step.</param>
/// <param name="FirstTokenAccuracy">Share of the first step's response tokens that were the most likely ones, in [0, 1].</param>
/// <param name="LastTokenAccuracy">The same for the last step.</param>
/// <param name="TokensSeen">Tokens processed, all contexts.</param>
/// <param name="Cancelled">Whether the run was stopped early.</param>
public sealed record ModelCardTraining(
    int Steps, int TotalSteps, double? FirstLoss, double? LastLoss, double? FirstTokenAccuracy, double? LastTokenAccuracy, long TokensSeen,
    bool Cancelled);
