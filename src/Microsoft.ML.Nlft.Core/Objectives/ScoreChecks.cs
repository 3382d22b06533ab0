using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Validates the scores that objectives receive.</summary>
internal static class ScoreChecks
{
    /// <summary>How far a log-probability may exceed 0: the rounding error of a float32 log-softmax.</summary>
    private const double Rounding = 1e-4;

    /// <summary>Checks one context's log-probabilities.</summary>
    /// <returns>The values, clamped to at most 0.</returns>
    /// <exception cref="NlftException">There are no values, their number is not n, or one is NaN or above 0.</exception>
    public static double[] Context(PromptContexts context, double[] logProbabilities, int n)
    {
        if (n == 0)
        {
            throw new NlftException("scores of the Base context", "no response token", "at least one", "Leave rows with an empty response out.");
        }
        if (logProbabilities.Length != n)
        {
            throw new NlftException($"scores of the {context} context", $"{logProbabilities.Length} log-probabilities",
                $"{n}, as many as the Base context has",
                $"Score the same response tokens in the {context} context.");
        }
        for (var t = 0; t < n; t++)
        {
            if (logProbabilities[t] <= Rounding) continue;
            var found = double.IsNaN(logProbabilities[t]) ? "NaN" : FormattableString.Invariant($"log-probability {logProbabilities[t]}");
            throw new NlftException($"scores of the {context} context, response token {t}", found, "a natural log-probability, 0 or less",
                double.IsNaN(logProbabilities[t]) ? "Check the model's weights and the learning rate: the network has diverged."
                    : "Pass logarithms of probabilities, not probabilities.");
        }
        return Array.ConvertAll(logProbabilities, logP => Math.Min(logP, 0));
    }

    /// <summary>Checks that hidden states form n rows of equal width.</summary>
    /// <exception cref="NlftException">The number of values is not a positive multiple of n.</exception>
    public static void HiddenStates(int values, int n)
    {
        if (values == 0 || values % n != 0)
        {
            throw new NlftException("hidden states of the Base context", $"{values} values", $"a positive multiple of n = {n}",
                "Ask the engine for hidden states when NeedsHiddenStates says so.");
        }
    }

    /// <summary>Checks that there are candidates for n tokens, K at each.</summary>
    /// <exception cref="NlftException">They are missing, or their number is not n x K.</exception>
    public static CandidateScores Candidates(CandidateScores? candidates, int n)
    {
        if (candidates is not null && candidates.Base.Length == n * candidates.Count && candidates.Source.Length == n * candidates.Count)
            return candidates;
        throw new NlftException("candidates of the response", candidates is null ? "none" : $"{candidates.Base.Length} log-probabilities",
            candidates is null ? "the likeliest tokens of every position" : $"{n * candidates.Count}, {candidates.Count} at each of {n} positions",
            "Ask the engine for the tokens that Candidates names.");
    }

    /// <summary>Refuses an option of an objective that lies outside its range.</summary>
    public static void Option(string name, double value, bool inRange, string range)
    {
        if (inRange && double.IsFinite(value)) return;
        throw new NlftException($"option {name}", FormattableString.Invariant($"{value}"), $"a finite number {range}".TrimEnd(),
            "Set it within the range, or leave it out for the published value.");
    }
}
