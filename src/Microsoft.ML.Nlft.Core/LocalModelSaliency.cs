using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft;

/// <summary>Computes saliency maps of an open model.</summary>
public static class LocalModelSaliency
{
    /// <summary>Shows what training on these rows would teach the model now, token by token, without training it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">One or more rows.</param>
    /// <param name="objective">Thresholds and exponents; null: the published ones.</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    /// <exception cref="NlftException">A row or an option does not fit, or a number is not finite.</exception>
    /// <example>
    /// <code>
    /// using var model = LocalModel.Load("models/tiny");
    /// model.CreateSaliencyMap(DataFile.ReadExamples("rows.jsonl")).Save("map.html");
    /// </code>
    /// </example>
    public static SaliencyMap CreateSaliencyMap(
        this LocalModel model, IReadOnlyList<TrainingExample> rows, NaturalLanguageObjectiveOptions? objective = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        var language = new NaturalLanguageObjective(objective);
        var analyzer = SaliencyAnalyzer.ForMap(model.Network, language, likelyTokens: rows.Count <= LikelyTokens.MostRows);
        var seen = model.Serialize(() => analyzer.Analyze([.. rows.Select(model.Prompts.Encode)], cancellationToken));
        return SaliencyMap.Create(
            model.Name, language.Options, rows, [new RecordedEpoch(0, seen)], id => model.Tokenizer.Decode([id], skipSpecialTokens: false));
    }
}
