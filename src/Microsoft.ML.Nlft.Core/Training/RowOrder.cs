using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Derives what is random in a run from its seed: the order of rows, the dropout of sequences and the questions held out, independently of batch
/// sizes.
/// </summary>
internal static class RowOrder
{
    // Names of separate streams of one seed.
    private const ulong ShuffleStream = 1, DropoutStream = 2, ValidationStream = 3;

    /// <summary>Returns the rows of an epoch: shuffled (Fisher-Yates), or in their original order.</summary>
    public static int[] OfEpoch(int rows, bool shuffle, int seed, int epoch)
    {
        var order = Enumerable.Range(0, rows).ToArray();
        if (!shuffle) return order;
        var random = new SplitMix64(SplitMix64.Hash(ShuffleStream, (ulong)seed, (ulong)epoch));
        for (var last = rows - 1; last > 0; last--)
        {
            var other = random.NextBelow(last + 1);
            (order[last], order[other]) = (order[other], order[last]);
        }

        return order;
    }

    /// <summary>Returns the dropout seed of a row in a context and an epoch.</summary>
    public static ulong DropoutSeed(int seed, int epoch, int row, PromptContexts context) =>
        SplitMix64.Hash(DropoutStream, (ulong)seed, (ulong)epoch, (ulong)row, (ulong)context);

    /// <summary>Returns questions in a random order that does not depend on the order in which they are given.</summary>
    public static string[] Draw(IEnumerable<string> questions, int seed) =>
        [.. questions.OrderBy(question => SplitMix64.Hash(ValidationStream, (ulong)seed, SplitMix64.Hash(question)))
            .ThenBy(question => question, StringComparer.Ordinal)];
}
