using System.Globalization;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// How the next token of a sequence is chosen from its logits z. At temperature 0: the largest, the lowest id among equals. Otherwise the token at
/// which the cumulative weight, in the order of ids, passes <see cref="Uniform"/> of the total, with weights exp((z - max z) / temperature) that are
/// 0 where a filter excludes the token; the filters apply in the order of the parameters.
/// </summary>
/// <param name="Temperature">0 or more.</param>
/// <param name="TopK">Keeps the k largest logits, and those that equal the least of them; 0 keeps all.</param>
/// <param name="TopP">
/// Keeps the smallest set of largest weights whose sum reaches this fraction of the total, above 0; 1 keeps all. Among equals the lower id is first.
/// </param>
/// <param name="MinP">Keeps the weights that are at least this, from 0 to 1; the largest weight is 1.</param>
/// <param name="Uniform">A random number from 0 to 1, 1 excluded.</param>
public readonly record struct TokenChoice(double Temperature, int TopK, double TopP, double MinP, double Uniform)
{
    /// <summary>Refuses logits whose largest is not a finite number.</summary>
    /// <param name="logit">The largest, or one that is NaN.</param>
    /// <param name="token">Its token.</param>
    /// <exception cref="NlftException">The logit is NaN or infinite.</exception>
    public static void RequireUsable(double logit, int token)
    {
        if (double.IsFinite(logit)) return;
        throw new NlftException($"the logit of token {token}", logit.ToString(CultureInfo.InvariantCulture), "a finite number",
            "Check the model folder's weights and the adapter: the network's output cannot be used.");
    }
}
