using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>Scores responses for <see cref="ReinforcedRun"/>.</summary>
public interface IResponseReward
{
    /// <summary>Names the reward and everything that it depends on: a run resumes only with a reward of the same name.</summary>
    string Name { get; }

    /// <summary>Scores a row with a response and an answer.</summary>
    /// <returns>A finite number, 1 for a right response.</returns>
    double Of(DataRow row);
}

/// <summary>The published reward: 1 if the final number is the gold one, 0.1 if it is another one, 0 without a number.</summary>
public sealed class FinalNumberReward : IResponseReward
{
    /// <inheritdoc/>
    public string Name => "final number: 1, 0.1, 0";

    /// <inheritdoc/>
    public double Of(DataRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        return ExactMatchEvaluator.Compare(row.Response, row.Answer ?? "", source: row.Source).Outcome switch
        {
            AnswerOutcome.Correct => 1,
            _ => AnswerExtraction.FinalNumber(row.Response) is null ? 0 : 0.1,
        };
    }
}
