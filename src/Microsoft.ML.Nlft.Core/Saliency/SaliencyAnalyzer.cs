using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>Shows how an objective sees every response token, without training: which tokens the feedback lands on and with what weight.</summary>
/// <example>
/// <code>
/// var row = new SaliencyAnalyzer(model.Network, objective).Analyze([model.Prompts.Encode(example)])[0];
/// Console.WriteLine(row.Report([.. row.Tokens.Select(id => model.Tokenizer.Decode([id], skipSpecialTokens: false))]));
/// </code>
/// </example>
public sealed class SaliencyAnalyzer
{
    private readonly ICausalLanguageModel _model;
    private readonly ITokenObjective _objective;
    private readonly int _batchSize;

    /// <summary>Creates an analyzer.</summary>
    /// <param name="model">Any loaded model; it need not be trainable.</param>
    /// <param name="objective">The objective to look through.</param>
    /// <param name="batchSize">Rows scored together, 1 or more. Default 4.</param>
    /// <exception cref="NlftException"><paramref name="batchSize"/> is below 1.</exception>
    public SaliencyAnalyzer(ICausalLanguageModel model, ITokenObjective objective, int batchSize = 4)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(objective);
        OptionCheck.Require(batchSize >= 1, "batchSize", batchSize, "1 or more", "Set the rows to score together.");
        (_model, _objective, _batchSize) = (model, objective, batchSize);
    }

    /// <summary>Creates an analyzer whose results a saliency map can show, when the objective has one: they keep how far clusters reach.</summary>
    /// <param name="model">Any loaded model.</param>
    /// <param name="objective">The objective to look through.</param>
    /// <param name="batchSize">Rows scored together.</param>
    /// <param name="likelyTokens">Whether to read the likeliest other tokens too, which decodes every response once more.</param>
    internal static SaliencyAnalyzer ForMap(
        ICausalLanguageModel model, ITokenObjective objective, int batchSize = 4, bool likelyTokens = false) => new(model, objective, batchSize)
    {
        ClusterThresholds = ExampleSaliency.ThresholdsOf(objective),
        ReadsLikelyTokens = likelyTokens,
    };

    /// <summary>The cluster thresholds that a reader of the map can choose; null: none, and nothing is kept for it.</summary>
    private IReadOnlyList<double>? ClusterThresholds { get; init; }

    private bool ReadsLikelyTokens { get; init; }

    /// <summary>Scores every context of every row with dropout off and evaluates the objective.</summary>
    /// <returns>One entry per row, in order.</returns>
    /// <exception cref="NlftException">A row does not fit the objective or the model, or a number is not finite.</exception>
    public IReadOnlyList<ExampleSaliency> Analyze(IReadOnlyList<EncodedExample> examples, CancellationToken cancellationToken = default)
    {
        ExampleCheck.Validate(examples, _objective, _model.Configuration);
        return [.. examples.Chunk(_batchSize).SelectMany(batch => AnalyzeBatch(batch, cancellationToken))];
    }

    private ExampleSaliency[] AnalyzeBatch(EncodedExample[] batch, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var contexts = Array.ConvertAll(batch, Contexts);
        var sequences = batch.SelectMany((example, i) => contexts[i].Select(example.Sequence)).ToArray();
        var scored = _model.Score(sequences, batch.Any(NeedsHiddenStates), cancellationToken);
        var likely = ReadsLikelyTokens ? LikelyTokens.Of(_model, sequences, cancellationToken) : null;
        var next = 0;
        return [.. batch.Select((example, i) =>
        {
            var places = contexts[i].ToDictionary(context => context, _ => next++);
            return Evaluate(example, places.ToDictionary(place => place.Key, place => scored[place.Value])) with
            {
                Likely = likely is null ? null : places.ToDictionary(place => place.Key, place => likely[place.Value]),
            };
        })];
    }

    private bool NeedsHiddenStates(EncodedExample example) => ClusterThresholds is not null || _objective.NeedsHiddenStates(example.Polarity);

    private PromptContexts[] Contexts(EncodedExample example)
    {
        var needed = _objective.ScoredContexts(example.Polarity) | PromptContexts.Base;
        return Array.FindAll(ExampleCheck.AllContexts, context => needed.HasFlag(context));
    }

    private ExampleSaliency Evaluate(EncodedExample example, Dictionary<PromptContexts, TokenScores> scores)
    {
        const string remedy = "Check the model folder's weights, or leave out the row.";
        double[] LogProbabilities(PromptContexts context) =>
            ObjectiveInput.LogProbabilities(scores.GetValueOrDefault(context), $"{example.Source}, {ExampleCheck.Name(context)} context", remedy);

        var input = new ExampleScores
        {
            Polarity = example.Polarity,
            Base = LogProbabilities(PromptContexts.Base),
            Judge = LogProbabilities(PromptContexts.Judge),
            Standard = LogProbabilities(PromptContexts.Standard),
            HiddenStates = NeedsHiddenStates(example) ? scores[PromptContexts.Base].HiddenStates : default,
        };
        var result = ObjectiveInput.Evaluate(_objective, example, input, example.Source, remedy);
        return ExampleSaliency.Of(input, example.Response.ToArray(), example.Source, result, ClusterThresholds);
    }
}
