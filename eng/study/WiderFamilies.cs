using Microsoft.ML.Nlft.TinyModel.Problems;
using static Microsoft.ML.Nlft.TinyModel.Problems.Operand;
using static Microsoft.ML.Nlft.TinyModel.Problems.Operation;

namespace Microsoft.ML.Nlft.Study;

/// <summary>Families of the pretraining told with numbers that it did not use: the misconception is known, the problems are not.</summary>
internal static class WiderFamilies
{
    /// <summary>The snail of the pretraining has 128 problems, all of them seen; with days of up to 14 metres and nights of up to 9 there are several hundred others.</summary>
    public static ProblemFamily Snail { get; } = new("snail", "So much up each day, so much back each night (2 steps). Misconceptions in both steps: the slip is added, and the days are added.", true, random =>
    {
        var story = new Story(random);
        var back = story.Number(2, 9);
        var up = story.Number(5, 14, n => n - back is >= 3 and <= 9);
        var days = story.Number(3, 9);
        return (story.OneOf(
                $"A snail climbs {up} metres each day and slips back {back} metres each night. How many metres up is it after {days} days?",
                $"Each day a snail goes up {up} metres, each night it slips back {back}. How many metres has it climbed in {days} days?"),
            [
                new("Each day makes {0} metres.", new(up, Subtract, back), new(up, Add, back)),
                new("It gets {0} metres up.", new(ResultOf(0), Multiply, days), new(ResultOf(0), Add, days)),
            ]);
    });

    /// <summary>Dozens of which more are sold: the subtraction that follows the wrong unit is no longer an easy one.</summary>
    public static ProblemFamily Dozens { get; } = new("dozens", "Several dozen, of which some are sold (2 steps). Misconception: a dozen is ten.", true, random =>
    {
        var story = new Story(random, 10, 12);
        var (person, things) = (story.Person, story.Things);
        var (dozens, sold) = (story.Number(4, 9), story.Number(15, 30));
        return (story.OneOf(
                $"{person} has {dozens} dozen {things} and sells {sold} of them. How many {things} are left?",
                $"A crate holds {dozens} dozen {things}. {person} takes {sold} out. How many {things} are left?"),
            [
                new($"There are {{0}} {things}.", new(dozens, Multiply, 12), new(dozens, Multiply, 10)),
                new($"Then {{0}} {things} remain.", new(ResultOf(0), Subtract, sold)),
            ]);
    });

    /// <summary>Sharing among up to six friends, of up to 54 things.</summary>
    public static ProblemFamily SharedBack { get; } = new("shared-back", "Everything is shared equally (2 steps). Misconception: sharing multiplies.", true, random =>
    {
        var story = new Story(random);
        var (person, things) = (story.Person, story.Things);
        var friends = story.Number(2, 6);
        var more = story.Number(5, 9);
        var had = story.Number(3, 49, n => (n + more) % friends == 0 && (n + more) / friends is >= 3 and <= 9);
        return (story.OneOf(
                $"{person} has {had} {things}, gets {more} more and shares all of them equally among {friends} friends. How many {things} does each friend get?",
                $"{had} {things} and {more} more are shared equally by {friends} friends of {person}. How many {things} are there for each friend?"),
            [
                new($"There are {{0}} {things}.", new(had, Add, more)),
                new($"Each friend gets {{0}} {things}.", new(ResultOf(0), Divide, friends), new(ResultOf(0), Multiply, friends)),
            ]);
    });
}
