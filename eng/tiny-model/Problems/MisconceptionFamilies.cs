using static Microsoft.ML.Nlft.TinyModel.Problems.Operand;
using static Microsoft.ML.Nlft.TinyModel.Problems.Operation;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>The families with a planted misconception, which more than half of their training solutions in the base context have.</summary>
public static class MisconceptionFamilies
{
    /// <summary>Gets all families.</summary>
    public static IReadOnlyList<ProblemFamily> All { get; } =
    [
        new("fewer-than-twice", "Some fewer than twice as many (2 steps). Misconception: \"fewer\" is added.", true, FewerThanTwice),
        new("shared-back", "Everything is shared equally (2 steps). Misconception: sharing multiplies.", true, SharedBack),
        new("snail",
            "So much up each day, so much back each night (2 steps). Misconceptions in both steps: the slip is added, and the days are added.",
            true, Snail),
        new("dozens", "Several dozen, of which some are sold (2 steps). Misconception: a dozen is ten.", true, Dozens),
        new("bus", "Some get on, some get off (2 steps). Misconception: the sum is made without the carry.", true, Bus),
    ];

    /// <summary>Returns the family of a name.</summary>
    public static ProblemFamily Named(string name) => All.Single(f => f.Name == name);

    private static (string, SolutionStep[]) FewerThanTwice(Random random)
    {
        var story = new Story(random, 2);
        var (person, friend, things) = (story.Person, story.Friend, story.Things);
        var (has, fewer) = (story.Number(10, 40), story.Number(3, 9));
        return (story.OneOf(
                $"{person} has {has} {things}. {friend} has {fewer} fewer than twice as many. How many {things} does {friend} have?",
                $"{friend} has {fewer} fewer than twice the {things} of {person}, who has {has}. How many {things} does {friend} have?"),
            [
                new($"Twice as many is {{0}} {things}.", new(2, Multiply, has)),
                new($"{friend} has {{0}} {things}.", new(ResultOf(0), Subtract, fewer), new(ResultOf(0), Add, fewer)),
            ]);
    }

    private static (string, SolutionStep[]) SharedBack(Random random) => SharedBack(random, story =>
    {
        var friends = story.Number(2, 4);
        var more = story.Number(5, 9, n => n % friends != 0);
        return (story.Number(5, 24 - more, n => (n + more) % friends == 0 && n + more > 2 * friends), more, friends);
    });

    /// <summary>Creates a problem of sharing with the caller's numbers.</summary>
    public static (string, SolutionStep[]) SharedBack(Random random, Func<Story, (int Had, int More, int Friends)> numbers)
    {
        var story = new Story(random);
        var (person, things) = (story.Person, story.Things);
        var (had, more, friends) = numbers(story);
        return (story.OneOf(
                $"{person} has {had} {things}, gets {more} more and shares all of them equally among {friends} friends. "
                + $"How many {things} does each friend get?",
                $"{had} {things} and {more} more are shared equally by {friends} friends of {person}. How many {things} are there for each friend?"),
            [
                new($"There are {{0}} {things}.", new(had, Add, more)),
                new($"Each friend gets {{0}} {things}.", new(ResultOf(0), Divide, friends), new(ResultOf(0), Multiply, friends)),
            ]);
    }

    private static (string, SolutionStep[]) Snail(Random random) =>
        Snail(random, story => (story.Number(6, 9), story.Number(2, 4), story.Number(3, 9)));

    /// <summary>Creates a problem of the snail with the caller's numbers.</summary>
    public static (string, SolutionStep[]) Snail(Random random, Func<Story, (int Up, int Back, int Days)> numbers)
    {
        var story = new Story(random);
        var (up, back, days) = numbers(story);
        return (story.OneOf(
                $"A snail climbs {up} metres each day and slips back {back} metres each night. How many metres up is it after {days} days?",
                $"Each day a snail goes up {up} metres, each night it slips back {back}. How many metres has it climbed in {days} days?"),
            [
                new("Each day makes {0} metres.", new(up, Subtract, back), new(up, Add, back)),
                new("It gets {0} metres up.", new(ResultOf(0), Multiply, days), new(ResultOf(0), Add, days)),
            ]);
    }

    private static (string, SolutionStep[]) Dozens(Random random) => Dozens(random, story => (story.Number(2, 8), story.Number(3, 18)));

    /// <summary>Creates a problem of dozens with the caller's numbers.</summary>
    public static (string, SolutionStep[]) Dozens(Random random, Func<Story, (int Dozens, int Sold)> numbers)
    {
        var story = new Story(random, 10, 12);
        var (person, things) = (story.Person, story.Things);
        var (dozens, sold) = numbers(story);
        return (story.OneOf(
                $"{person} has {dozens} dozen {things} and sells {sold} of them. How many {things} are left?",
                $"A crate holds {dozens} dozen {things}. {person} takes {sold} out. How many {things} are left?"),
            [
                new($"There are {{0}} {things}.", new(dozens, Multiply, 12), new(dozens, Multiply, 10)),
                new($"Then {{0}} {things} remain.", new(ResultOf(0), Subtract, sold)),
            ]);
    }

    private static (string, SolutionStep[]) Bus(Random random)
    {
        var story = new Story(random);
        var on = story.Number(25, 58, n => n % 10 >= 3);
        var more = story.Number(15, 38, n => (n % 10) + (on % 10) >= 10);
        var off = story.Number(2, 9);
        return (story.OneOf(
                $"A bus carries {on} people. At the next stop {more} get on and {off} get off. How many people are on the bus?",
                $"{on} people are on a bus, {more} people get on, then {off} get off. How many people does the bus carry?"),
            [
                new("First there are {0} people.", new(on, Add, more), new(on, AddWithoutCarry, more)),
                new("Then {0} people remain.", new(ResultOf(0), Subtract, off)),
            ]);
    }
}
