using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Training;

/// <summary>What is random in a run, as functions of its seed: the order of rows and the dropout of sequences. No batch size enters.</summary>
internal static class RowOrder
{
    // Streams of one seed that must not meet.
    private const ulong ShuffleStream = 1, DropoutStream = 2;

    /// <summary>The rows of one epoch, shuffled by Fisher and Yates's method, or in their own order.</summary>
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

    /// <summary>Seeds the dropout of one row in one context and one epoch.</summary>
    public static ulong DropoutSeed(int seed, int epoch, int row, PromptContexts context) =>
        SplitMix64.Hash(DropoutStream, (ulong)seed, (ulong)epoch, (ulong)row, (ulong)context);
}
