using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Limits the steps in the Sequences of a normalizer, pre-tokenizer, decoder or post-processor: all together, because every step passes over the
/// text and a decoder calls the next one, and how deep Sequences lie in each other.
/// </summary>
internal sealed class StepLimit
{
    private const int MaximumSteps = 256, MaximumNesting = 8; // published tokenizers have at most about ten steps

    private int _steps, _depth;

    /// <summary>Returns the limit that the outermost Sequence began, or begins one.</summary>
    public static StepLimit Or(StepLimit? limit) => limit ?? new();

    /// <summary>Reads the steps of a Sequence.</summary>
    /// <param name="place">The Sequence.</param>
    /// <param name="key">The key of its list.</param>
    /// <param name="read">Reads one step within this limit.</param>
    /// <exception cref="NlftException">There are too many steps, or the Sequence lies too deep.</exception>
    public List<T> Sequence<T>(JsonPlace place, string key, Func<JsonPlace, StepLimit, T> read)
    {
        if (_depth == MaximumNesting)
        {
            throw new NlftException(
                place.Subject, $"a Sequence in {_depth} others", $"at most {MaximumNesting}", "Write the steps into one Sequence.");
        }
        _depth++;
        var steps = new List<T>();
        foreach (var item in place[key].Items())
        {
            if (++_steps > MaximumSteps)
                throw new NlftException(place.Subject, $"more than {MaximumSteps} steps", $"at most {MaximumSteps}", place.Source.FileRemedy);
            steps.Add(read(item, this));
        }
        _depth--;
        return steps;
    }
}
