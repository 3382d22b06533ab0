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

    /// <summary>
    /// Shows which tokens of rows carry loss in supervised fine-tuning, with the probability that the model gives each of them now: all tokens of
    /// prompt and response except the first, which nothing predicts.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">One or more rows, conversations among them.</param>
    /// <param name="cancellationToken">Observed between rows.</param>
    /// <exception cref="NlftException">A row does not fit, or a number is not finite.</exception>
    public static SaliencyMap CreateLossMap(
        this LocalModel model, IReadOnlyList<TrainingExample> rows, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(rows);
        var analyzer = SaliencyAnalyzer.ForMap(model.Network, new LikelihoodObjective(), likelyTokens: rows.Count <= LikelyTokens.MostRows);
        var seen = model.Serialize(() => analyzer.Analyze([.. rows.Select(row => Whole(model.Prompts.Encode(row)))], cancellationToken));
        return SaliencyMap.Create(model.Name, new() { Scale = 1 }, rows, [new RecordedEpoch(0, seen)],
            id => model.Tokenizer.Decode([id], skipSpecialTokens: false)) with { IsSupervised = true };
    }

    /// <summary>Makes the prompt a part of the response that does not count, except its first token.</summary>
    private static EncodedExample Whole(EncodedExample row)
    {
        var prompt = row.Prompt(PromptContexts.Base);
        bool[] counted = row.Counted.IsEmpty ? [.. Enumerable.Repeat(true, row.Response.Length)] : row.Counted.ToArray();
        return new EncodedExample(Polarity.Correct, [.. prompt.Span[1..], .. row.Response.Span], [prompt.Span[0]], [], [], row.Source)
        {
            Counted = (bool[])[.. new bool[prompt.Length - 1], .. counted],
        };
    }
}
