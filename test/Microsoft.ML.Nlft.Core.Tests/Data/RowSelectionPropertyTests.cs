using FsCheck;
using FsCheck.Fluent;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Feedback;

/// <summary>What holds of every selection, whatever the rows, the number, the ratio and the seed.</summary>
[TestClass]
public sealed class RowSelectionPropertyTests
{
    private static readonly Config s_config = Config.QuickThrowOnFailure.WithMaxTest(500);

    private static readonly Arbitrary<(int Correct, int Incorrect, int Count, int C, int I, int Seed)> s_cases = Arb.From(
        from correct in Gen.Choose(0, 40)
        from incorrect in Gen.Choose(0, 40)
        from count in Gen.Choose(1, 60)
        from c in Gen.Choose(0, 4)
        from i in Gen.Choose(c == 0 ? 1 : 0, 4)
        from seed in Gen.Choose(int.MinValue, int.MaxValue)
        select (correct, incorrect, count, c, i, seed));

    [TestMethod]
    public void WithRatio_AnyRows_SelectsTheRatioOrIsRefused() => Prop.ForAll(s_cases, set =>
    {
        var rows = RowSelectionTests.Rows(set.Correct, set.Incorrect);
        var wanted = (int)Math.Floor((double)set.Count * set.C / (set.C + set.I) + 0.5);
        var possible = wanted <= set.Correct && set.Count - wanted <= set.Incorrect;
        try
        {
            var chosen = RowSelection.WithRatio(rows, set.Count, new(set.C, set.I), set.Seed);
            return possible && chosen.Count == set.Count && chosen.Count(RowSelectionTests.IsCorrect) == wanted
                && chosen.Distinct().Count() == set.Count && chosen.All(rows.Contains)
                && chosen.SequenceEqual(RowSelection.WithRatio(rows, set.Count, new(set.C, set.I), set.Seed));
        }
        catch (NlftException error)
        {
            return !possible && error.Found == $"{rows.Length} rows, {set.Correct} correct and {set.Incorrect} incorrect";
        }
    }).Check(s_config);

    [TestMethod]
    public void First_LargerCount_BeginsWithTheSmallerSelection() => Prop.ForAll(s_cases, set =>
    {
        var rows = RowSelectionTests.Rows(set.Correct + 1, set.Incorrect);
        var all = RowSelection.First(rows, rows.Length, set.Seed);
        var fewer = RowSelection.First(rows, Math.Min(set.Count, rows.Length), set.Seed);
        return all.Distinct().Count() == rows.Length && fewer.SequenceEqual(all.Take(fewer.Count));
    }).Check(s_config);
}
