using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Asks an engine for the candidates of an objective (<see cref="ITokenObjective.Candidates"/>), and reads them from its scores.</summary>
internal static class CandidateScoring
{
    /// <summary>Refuses an objective whose candidates come from a context that it does not score, or trains, other than the base context.</summary>
    /// <exception cref="ArgumentException">The objective names such a context.</exception>
    public static void RequireConstant(ITokenObjective objective, Polarity polarity)
    {
        var (context, count) = objective.Candidates(polarity);
        var isConstant = context is PromptContexts.Judge or PromptContexts.Standard && objective.ScoredContexts(polarity).HasFlag(context)
            && !objective.TrainedContexts(polarity).HasFlag(context);
        if (count == 0 || context == PromptContexts.Base || isConstant) return;
        throw new ArgumentException(
            $"Candidates come from the base context, or from one that the objective scores and does not train; not {context}.", nameof(objective));
    }

    /// <summary>Whether a context names candidates.</summary>
    public static bool Names(ITokenObjective objective, Polarity polarity, PromptContexts context) =>
        objective.Candidates(polarity) is { Count: > 0 } source && source.Context == context;

    /// <summary>Returns a context's sequence, which asks for candidates if the context names them: for one more, the response's own.</summary>
    public static TokenSequence Sequence(ITokenObjective objective, EncodedExample example, PromptContexts context) =>
        !Names(objective, example.Polarity, context) ? example.Sequence(context)
            : example.Sequence(context) with { Likeliest = objective.Candidates(example.Polarity).Count + 1 };

    /// <summary>Returns the base context's sequence, which asks for what another context found.</summary>
    /// <param name="objective">The objective.</param>
    /// <param name="example">The example.</param>
    /// <param name="scored">The scores of the constant contexts.</param>
    public static TokenSequence BaseSequence(ITokenObjective objective, EncodedExample example, Func<PromptContexts, TokenScores?> scored)
    {
        var sequence = Sequence(objective, example, PromptContexts.Base);
        var context = objective.Candidates(example.Polarity).Context;
        return !Names(objective, example.Polarity, context) || context == PromptContexts.Base ? sequence
            : sequence with { Candidates = Others(objective, example, scored(context)!).Ids };
    }

    /// <summary>Reads the candidates; null if the objective asks for none.</summary>
    /// <param name="objective">The objective.</param>
    /// <param name="example">The example.</param>
    /// <param name="scored">The scores of every context, those of the base context for <see cref="BaseSequence"/>.</param>
    public static CandidateScores? Read(ITokenObjective objective, EncodedExample example, Func<PromptContexts, TokenScores?> scored)
    {
        var context = objective.Candidates(example.Polarity).Context;
        if (!Names(objective, example.Polarity, context)) return null;
        var others = Others(objective, example, scored(context)!);
        var source = Doubles(others.LogProbabilities);
        return new CandidateScores
        {
            Count = others.Count,
            Ids = others.Ids,
            Source = source,
            Base = context == PromptContexts.Base ? source : Doubles(scored(PromptContexts.Base)!.CandidateLogProbabilities),
        };
    }

    /// <summary>Interleaves the coefficients of the response and of its candidates as <see cref="IForwardPass.Backward"/> takes them.</summary>
    public static double[] Coefficients(TokenObjectiveResult result)
    {
        if (result.CandidateCoefficients.Length == 0) return result.Coefficients;
        var (n, count) = (result.Coefficients.Length, result.CandidateCoefficients.Length / result.Coefficients.Length);
        var all = new double[n * (count + 1)];
        for (var t = 0; t < n; t++)
        {
            all[t * (count + 1)] = result.Coefficients[t];
            result.CandidateCoefficients.AsSpan(t * count, count).CopyTo(all.AsSpan(t * (count + 1) + 1));
        }
        return all;
    }

    private static LikeliestTokens Others(ITokenObjective objective, EncodedExample example, TokenScores scores) =>
        scores.Likeliest!.Besides(example.Response.Span, objective.Candidates(example.Polarity).Count);

    private static double[] Doubles(float[] values) => Array.ConvertAll(values, value => (double)value);
}
