using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>
/// Draws training sets from judged rows: a row without a judgment counts as correct. The same rows, numbers and seed give the same set on every
/// machine, and no row is drawn twice.
/// </summary>
public static class RowSelection
{
    /// <summary>The default seed of a selection.</summary>
    public const int DefaultSeed = 42;

    /// <summary>Takes the first rows after a shuffle; a smaller set of the same seed is the beginning of a larger one.</summary>
    /// <param name="rows">Rows with response and answer.</param>
    /// <param name="count">How many, 1 or more.</param>
    /// <param name="seed">Seeds the shuffle.</param>
    /// <exception cref="NlftException">There are fewer rows than requested, or one has no response or no answer.</exception>
    public static IReadOnlyList<DataRow> First(IReadOnlyList<DataRow> rows, int count, int seed = DefaultSeed)
    {
        Require(rows, count);
        if (rows.Count < count) throw TooFew(rows, $"at least {count}", $"Ask for {rows.Count} or fewer.");
        return [.. Shuffled(rows, seed).Take(count)];
    }

    /// <summary>Takes rows in a ratio of correct to incorrect responses, in shuffled order.</summary>
    /// <param name="rows">Rows with response and answer.</param>
    /// <param name="count">How many in all, 1 or more; the number of correct ones is rounded to the nearest integer, halves up.</param>
    /// <param name="ratio">Correct to incorrect.</param>
    /// <param name="seed">Seeds the shuffle.</param>
    /// <exception cref="NlftException">
    /// There are too few rows of one kind (the message counts both), or a row has no response or no answer.
    /// </exception>
    public static IReadOnlyList<DataRow> WithRatio(IReadOnlyList<DataRow> rows, int count, ResponseRatio ratio, int seed = DefaultSeed)
    {
        Require(rows, count);
        if (ratio.Correct < 0 || ratio.Incorrect < 0 || (long)ratio.Correct + ratio.Incorrect == 0)
            throw new NlftException("option ratio", $"{ratio}", "two parts of 0 or more, one of them above 0", "Use 1:3, for example.");
        var correct = ratio.CorrectOf(count);
        var incorrect = count - correct;
        var available = rows.Count(row => row.Polarity == Polarity.Correct);
        if (available < correct || rows.Count - available < incorrect)
        {
            throw TooFew(rows, $"{correct} correct and {incorrect} incorrect, for {count} at {ratio}",
                Remedy(available, rows.Count - available, count, ratio));
        }
        var left = new Dictionary<Polarity, int> { [Polarity.Correct] = correct, [Polarity.Incorrect] = incorrect };
        return [.. Shuffled(rows, seed).Where(row => left[row.Polarity]-- > 0)];
    }

    /// <summary>Shuffles (Fisher-Yates) from the first place on, so that a smaller set is the beginning of a larger one.</summary>
    private static DataRow[] Shuffled(IReadOnlyList<DataRow> rows, int seed)
    {
        DataRow[] shuffled = [.. rows];
        var random = new SplitMix64(SplitMix64.Hash((ulong)seed, SplitMix64.Hash("row selection")));
        for (var i = 0; i < shuffled.Length - 1; i++)
        {
            var other = i + random.NextBelow(shuffled.Length - i);
            (shuffled[i], shuffled[other]) = (shuffled[other], shuffled[i]);
        }
        return shuffled;
    }

    private static void Require(IReadOnlyList<DataRow> rows, int count)
    {
        ArgumentNullException.ThrowIfNull(rows);
        OptionCheck.Require(count >= 1, "count", count, "1 or more", "Say how many rows to take.");
        foreach (var row in rows)
        {
            row.Require(nameof(row.Response));
            row.Require(nameof(row.Answer));
        }
    }

    private static NlftException TooFew(IReadOnlyList<DataRow> rows, string expected, string remedy)
    {
        var correct = rows.Count(row => row.Polarity == Polarity.Correct);
        return new NlftException("rows to select from", $"{rows.Count} rows, {correct} correct and {rows.Count - correct} incorrect", expected,
            remedy);
    }

    private static string Remedy(int correct, int incorrect, int count, ResponseRatio ratio)
    {
        for (; count > 0; count--)
        {
            if (ratio.CorrectOf(count) is var needed && needed <= correct && count - needed <= incorrect)
                return $"Ask for {count} or fewer, for another ratio, or generate more responses.";
        }
        return "Choose another ratio, or generate more responses.";
    }
}
