namespace Microsoft.ML.Nlft.Cards;

/// <summary>A summary of the validation of a training run for a <see cref="ModelCard"/>.</summary>
/// <param name="Rows">Rows held out, which did not train.</param>
/// <param name="Evaluations">Evaluations of these rows during the run.</param>
/// <param name="BestStep">Steps before the best evaluation, 1 or more.</param>
/// <param name="BestEpoch">Epochs before it, as a fraction.</param>
/// <param name="BestLoss">The objective's loss there.</param>
/// <param name="FirstLoss">The same before training; null when unknown.</param>
public sealed record ModelCardValidation(int Rows, int Evaluations, int BestStep, double BestEpoch, double BestLoss, double? FirstLoss)
{
    /// <summary>Share of the answered questions that were right at the best evaluation, in [0, 1]; null: none were answered.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Questions answered at every evaluation. Default 0.</summary>
    public int Answered { get; init; }

    /// <summary>Whether the weights are those of the best evaluation. Default false: those of the last step.</summary>
    public bool KeptBest { get; init; }

    /// <summary>Whether the run ended before its last epoch, because the evaluations gained nothing. Default false.</summary>
    public bool StoppedEarly { get; init; }
}
