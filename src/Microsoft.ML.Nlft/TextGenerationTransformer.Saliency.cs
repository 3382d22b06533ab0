using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

public sealed partial class TextGenerationTransformer
{
    /// <summary>
    /// The saliency map of the recorded rows (<see cref="FineTuneOptions.RecordedRows"/>), before training and after every epoch; null when nothing
    /// was recorded or the model was loaded.
    /// </summary>
    public SaliencyMap? TrainingMap { get; internal init; }

    /// <summary>Shows what training on a row would teach this model, token by token, without training it.</summary>
    /// <param name="row">A question, a response, the judgment when it is wrong, and the right answer.</param>
    /// <param name="objective">Thresholds and exponents; null: the published ones.</param>
    /// <returns>A map of that row: its tokens as records, or as a page with <see cref="SaliencyMap.Save"/>.</returns>
    /// <exception cref="NlftException">The row or an option does not fit.</exception>
    /// <example>
    /// <code>
    /// var map = model.ExplainTraining(new TrainingExample
    /// {
    ///     Question = "2 + 3?", Response = "2 + 3 = 6", Judgment = "2 + 3 is not 6.", Answer = "5",
    /// });
    /// foreach (var token in map.Rows[0].Tokens)
    ///     Console.WriteLine($"{token.Text}: {token.Saliency.Role}, {token.Saliency.Coefficient}");
    /// map.Save("row.html");
    /// </code>
    /// </example>
    public SaliencyMap ExplainTraining(TrainingExample row, NaturalLanguageObjectiveOptions? objective = null)
    {
        ArgumentNullException.ThrowIfNull(row);
        return ExplainTraining([row], objective, CancellationToken.None);
    }

    /// <summary>Shows what training on several rows would teach this model.</summary>
    internal SaliencyMap ExplainTraining(IReadOnlyList<TrainingExample> rows, NaturalLanguageObjectiveOptions? objective,
        CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _model.CreateSaliencyMap(rows, objective, cancellationToken);
    }
}
