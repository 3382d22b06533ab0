using static Microsoft.ML.Nlft.TinyModel.Problems.Operand;
using static Microsoft.ML.Nlft.TinyModel.Problems.Operation;

namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>The families that the base model should master: their training solutions are right in every context.</summary>
public static class MasteredFamilies
{
    /// <summary>Gets all families.</summary>
    public static IReadOnlyList<ProblemFamily> All { get; } =
    [
        new("gift", "Somebody gets some more (1 step).", false, Gift),
        new("losses", "Some are given away, some are lost (2 steps).", false, Losses),
        new("together", "One has more than the other; how many together? (2 steps)", false, Together),
        new("packs", "Packs of so many each, and some loose ones (2 steps).", false, Packs),
        new("change", "Several at a price, paid with a note (2 steps).", false, Change),
        new("more-than-twice", "Some more than twice as many (2 steps).", false, MoreThanTwice),
        new("boxes", "Put into boxes, some of which are sold (2 steps).", false, Boxes),
        new("reading", "Pages read on three days (3 steps).", false, Reading),
        new("market", "Cakes and pies sold, some money spent (4 steps).", false, Market),
    ];

    private static (string, SolutionStep[]) Gift(Random random)
    {
        var story = new Story(random);
        var (person, friend, things) = (story.Person, story.Friend, story.Things);
        var (had, more) = (story.Number(31, 60), story.Number(3, 30));
        return (story.OneOf(
                $"{person} has {had} {things}. {friend} gives {person} {more} more. How many {things} does {person} have now?",
                $"There are {had} {things} in a basket. {friend} puts in {more} more. How many {things} are in the basket?"),
            [new($"Now there are {{0}} {things}.", new(had, Add, more))]);
    }

    private static (string, SolutionStep[]) Losses(Random random)
    {
        var story = new Story(random);
        var (person, friend, things) = (story.Person, story.Friend, story.Things);
        var (had, given, lost) = (story.Number(40, 80), story.Number(10, 25), story.Number(3, 9));
        return (story.OneOf(
                $"{person} had {had} {things}, gave {given} of them to {friend} and lost {lost}. How many {things} are left?",
                $"Of {had} {things}, {person} sold {given} and threw {lost} away. How many {things} are left?"),
            [
                new($"First {{0}} {things} remain.", new(had, Subtract, given)),
                new($"Then {{0}} {things} remain.", new(ResultOf(0), Subtract, lost)),
            ]);
    }

    private static (string, SolutionStep[]) Together(Random random)
    {
        var story = new Story(random);
        var (person, friend, things) = (story.Person, story.Friend, story.Things);
        var (has, more) = (story.Number(16, 40), story.Number(3, 15));
        return (story.OneOf(
                $"{person} has {has} {things} and {friend} has {more} more than {person}. How many {things} do they have together?",
                $"{person} found {has} {things}. {friend} found {more} more than that. How many {things} did the two find?"),
            [
                new($"{friend} has {{0}} {things}.", new(has, Add, more)),
                new($"Together they have {{0}} {things}.", new(has, Add, ResultOf(0))),
            ]);
    }

    private static (string, SolutionStep[]) Packs(Random random)
    {
        var story = new Story(random);
        var (person, things) = (story.Person, story.Things);
        var (packs, each, loose) = (story.Number(2, 9), story.Number(2, 9), story.Number(10, 30));
        return (story.OneOf(
                $"{person} buys {packs} packs of {each} {things} and has {loose} {things} at home. How many {things} are there in all?",
                $"{packs} packs hold {each} {things} each, and {loose} {things} are loose. How many {things} does {person} count?"),
            [
                new($"The packs hold {{0}} {things}.", new(packs, Multiply, each)),
                new($"In all there are {{0}} {things}.", new(ResultOf(0), Add, loose)),
            ]);
    }

    private static (string, SolutionStep[]) Change(Random random)
    {
        var story = new Story(random);
        var (person, things) = (story.Person, story.Things);
        var (count, price) = (story.Number(2, 9), story.Number(2, 9));
        var note = story.Number((count * price) + 3, 95);
        return (story.OneOf(
                $"{person} buys {count} {things} at ${price} each and pays with ${note}. How much change does {person} get?",
                $"One of the {things} costs ${price}. {person} has ${note} and buys {count}. How much money is left?"),
            [
                new($"The {things} cost ${{0}}.", new(count, Multiply, price)),
                new("What is left is ${0}.", new(note, Subtract, ResultOf(0))),
            ]);
    }

    private static (string, SolutionStep[]) MoreThanTwice(Random random)
    {
        var story = new Story(random, 2);
        var (person, friend, things) = (story.Person, story.Friend, story.Things);
        var (has, more) = (story.Number(10, 40), story.Number(3, 9));
        return (story.OneOf(
                $"{person} has {has} {things}. {friend} has {more} more than twice as many. How many {things} does {friend} have?",
                $"{friend} has {more} more than twice the {things} of {person}, who has {has}. How many {things} does {friend} have?"),
            [
                new($"Twice as many is {{0}} {things}.", new(2, Multiply, has)),
                new($"{friend} has {{0}} {things}.", new(ResultOf(0), Add, more)),
            ]);
    }

    private static (string, SolutionStep[]) Boxes(Random random)
    {
        var story = new Story(random);
        var (person, things) = (story.Person, story.Things);
        var (each, boxes) = (story.Number(3, 9), story.Number(4, 9));
        var (all, sold) = (each * boxes, story.Number(2, boxes - 1));
        return (story.OneOf(
                $"{person} packs {all} {things} into boxes of {each} and sells {sold} boxes. How many boxes are left?",
                $"{all} {things} go into boxes that hold {each} each. {person} takes {sold} boxes away. How many boxes are left?"),
            [
                new("There are {0} boxes.", new(all, Divide, each)),
                new("Then {0} boxes remain.", new(ResultOf(0), Subtract, sold)),
            ]);
    }

    private static (string, SolutionStep[]) Reading(Random random)
    {
        var story = new Story(random);
        var person = story.Person;
        var (monday, more) = (story.Number(10, 20), story.Number(3, 9));
        var wednesday = story.Number(21, 40);
        return (story.OneOf(
                $"{person} reads {monday} pages on Monday, {more} more than that on Tuesday and {wednesday} on Wednesday. How many pages in all?",
                $"On Monday {person} runs {monday} laps, on Tuesday {more} more than on Monday, on Wednesday {wednesday}. How many laps in all?"),
            [
                new("Tuesday makes {0}.", new(monday, Add, more)),
                new("Both days make {0}.", new(monday, Add, ResultOf(0))),
                new("All days make {0}.", new(ResultOf(1), Add, wednesday)),
            ]);
    }

    private static (string, SolutionStep[]) Market(Random random)
    {
        var story = new Story(random);
        var person = story.Person;
        var (cakes, cakePrice, pies, piePrice) = (story.Number(3, 9), story.Number(2, 9), story.Number(3, 9), story.Number(2, 9));
        var spent = story.Number(10, Math.Min(30, (cakes * cakePrice) + (pies * piePrice) - 5));
        return (story.OneOf(
                $"{person} sells {cakes} cakes at ${cakePrice} each and {pies} pies at ${piePrice} each, then spends ${spent}. "
                + "How much money is left?",
                $"{cakes} cakes at ${cakePrice} each and {pies} pies at ${piePrice} each are sold. "
                + $"{person} spends ${spent} of the money. How much is left?"),
            [
                new("The cakes bring ${0}.", new(cakes, Multiply, cakePrice)),
                new("The pies bring ${0}.", new(pies, Multiply, piePrice)),
                new("Both bring ${0}.", new(ResultOf(0), Add, ResultOf(1))),
                new("What is left is ${0}.", new(ResultOf(2), Subtract, spent)),
            ]);
    }
}
