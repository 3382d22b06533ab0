using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Training;

/// <summary>The rows of one optimizer step.</summary>
/// <param name="Examples">All rows of the run.</param>
/// <param name="Rows">Which of them, by index.</param>
/// <param name="Epoch">Epochs done.</param>
/// <param name="Step">The step's number, from 1.</param>
internal sealed record TrainingWindow(IReadOnlyList<EncodedExample> Examples, int[] Rows, int Epoch, int Step)
{
    /// <summary>The remedy when this window's numbers are not finite.</summary>
    public string Remedy => $"The weights are those {(Step == 1 ? "before the first step" : $"after step {Step - 1}")}; "
        + "lower LearningRate, or leave out the row if it is at fault.";

    /// <summary>Returns a row's name in messages.</summary>
    public string Place(int row) => $"training step {Step}, {Examples[row].Source}";

    /// <summary>Returns a row's share of the window's loss; the shares of a window add up to 1, independently of the micro-batches.</summary>
    public double Weight(int row, LossReduction reduction) => reduction switch
    {
        LossReduction.TokenMean => Examples[row].CountedTokens / (double)Rows.Sum(other => (long)Examples[other].CountedTokens),
        _ => 1.0 / Rows.Length,
    };
}
