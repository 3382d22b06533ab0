using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Self-distillation with feedback (SDFT: arXiv 2601.19897; SDPO: arXiv 2601.20802): without the feedback, the model learns the predictions that it
/// makes with it. L = (1/n) sum D(q_t, p_t), a divergence of the student p, in the base context, from the teacher q, in a context with the answer or
/// the judgment, over the teacher's likeliest tokens, the response's own and one bucket for the rest.
/// </summary>
/// <remarks>
/// The published methods draw the responses from the student during training and take the divergence over the student's likeliest tokens; here they
/// are those of the rows, and the teacher's. The teacher is the model before the first step, unless
/// <c>FineTuneOptions.Refresh</c> says otherwise: a teacher that learns with its student can collapse with it.
/// </remarks>
public sealed class SelfDistillationObjective : ITokenObjective
{
    /// <summary>Creates the objective.</summary>
    /// <param name="options">The options; null: the defaults.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public SelfDistillationObjective(SelfDistillationOptions? options = null)
    {
        Options = options ?? new();
        Options.Validate();
    }

    /// <summary>The options in use.</summary>
    public SelfDistillationOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "self-distillation";

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Settings => ObjectiveSettings.Of(Options);

    /// <inheritdoc/>
    public ContextRefresh Refresh => ContextRefresh.Once;

    /// <inheritdoc/>
    public PromptContexts ScoredContexts(Polarity polarity) => PromptContexts.Base | Teacher(polarity);

    /// <inheritdoc/>
    public PromptContexts TrainedContexts(Polarity polarity) => PromptContexts.Base;

    /// <inheritdoc/>
    public bool NeedsHiddenStates(Polarity polarity) => false;

    /// <inheritdoc/>
    public CandidateSource Candidates(Polarity polarity) => new(Teacher(polarity), Options.TopTokens);

    /// <inheritdoc/>
    /// <exception cref="NlftException">Lengths differ, a log-probability is NaN or above 0, or the candidates are missing.</exception>
    public TokenObjectiveResult Evaluate(ExampleScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        var n = scores.Base.Length;
        var student = ScoreChecks.Context(PromptContexts.Base, scores.Base, n);
        var context = Teacher(scores.Polarity);
        var teacher = ScoreChecks.Context(context, context == PromptContexts.Judge ? scores.Judge : scores.Standard, n);
        var distillation = new Distillation(Options.Alpha, Options.Tail, ScoreChecks.Candidates(scores.Candidates, n));
        var (loss, tokens) = (0.0, new TokenSaliency[n]);
        for (var t = 0; t < n; t++)
        {
            var term = distillation.Add(t, student[t], teacher[t], weight: 1, factor: 1.0 / n);
            loss += term.Loss;
            tokens[t] = new TokenSaliency(TokenRole.Ordinary, 1, term.Coefficient / n);
            if (scores.Polarity == Polarity.Incorrect && Math.Exp(teacher[t]) < Options.StopBelow) break; // the later tokens keep the weight 0
        }
        return new TokenObjectiveResult
        {
            Loss = loss / n,
            Coefficients = Array.ConvertAll(tokens, token => token.Coefficient),
            CandidateCoefficients = distillation.CandidateCoefficients,
            Tokens = tokens,
        };
    }

    private PromptContexts Teacher(Polarity polarity) => polarity == Polarity.Correct ? PromptContexts.Standard : Options.Teacher;
}
