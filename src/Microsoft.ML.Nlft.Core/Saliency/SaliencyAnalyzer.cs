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
    /// <param name="likelyTokens">Whether to read the likeliest other tokens too.</param>
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
        var scored = Score([.. batch.SelectMany((example, i) => contexts[i].Select(context => Sequence(example, context)))]);
        var next = 0;
        var scores = contexts.Select(named => named.ToDictionary(context => context, _ => scored[next++])).ToArray();

        // What another context named is scored in the base context once more.
        var others = batch.Select((example, i) => CandidateScoring.BaseSequence(_objective, example, context => scores[i][context]))
            .Select((sequence, i) => (Sequence: sequence, Row: i)).Where(other => !other.Sequence.Candidates.IsEmpty).ToArray();
        var again = others.Length == 0 ? [] : Score([.. others.Select(other => other.Sequence)]);
        var withCandidates = others.Select((other, i) => (other.Row, Scores: again[i])).ToDictionary(other => other.Row, other => other.Scores);

        return [.. batch.Select((example, i) => Evaluate(example, scores[i], withCandidates.GetValueOrDefault(i)) with
        {
            Likely = !ReadsLikelyTokens ? null
                : scores[i].ToDictionary(score => score.Key, score => LikelyTokens.Of(score.Value.Likeliest!, example.Response.Span)),
        })];

        IReadOnlyList<TokenScores> Score(TokenSequence[] sequences) => _model.Score(sequences, batch.Any(NeedsHiddenStates), cancellationToken);
    }

    /// <summary>The sequence of a context, which asks for the likely tokens of a map and for the candidates of the objective.</summary>
    private TokenSequence Sequence(EncodedExample example, PromptContexts context)
    {
        var sequence = CandidateScoring.Sequence(_objective, example, context);
        return ReadsLikelyTokens ? sequence with { Likeliest = Math.Max(sequence.Likeliest, LikelyTokens.MostPerPosition + 1) } : sequence;
    }

    private bool NeedsHiddenStates(EncodedExample example) => ClusterThresholds is not null || _objective.NeedsHiddenStates(example.Polarity);

    private PromptContexts[] Contexts(EncodedExample example)
    {
        var needed = _objective.ScoredContexts(example.Polarity) | PromptContexts.Base;
        return Array.FindAll(ExampleCheck.AllContexts, context => needed.HasFlag(context));
    }

    private ExampleSaliency Evaluate(EncodedExample example, Dictionary<PromptContexts, TokenScores> scores, TokenScores? withCandidates)
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
            Candidates = CandidateScoring.Read(_objective, example, context =>
                context == PromptContexts.Base && withCandidates is not null ? withCandidates : scores[context]),
            HiddenStates = NeedsHiddenStates(example) ? scores[PromptContexts.Base].HiddenStates : default,
        };
        var result = ObjectiveInput.Evaluate(_objective, example, input, example.Source, remedy);
        return ExampleSaliency.Of(input, example.Response.ToArray(), example.Source, result, ClusterThresholds);
    }
}
