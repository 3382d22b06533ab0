using Microsoft.ML.Nlft.TinyModel.Problems;
using static Microsoft.ML.Nlft.TinyModel.Problems.Operation;

namespace RealModel;

/// <summary>Problems of one step with small numbers: a model of 135 million parameters solves about a third of them.</summary>
internal static class EasyProblems
{
    /// <summary>Gets all families.</summary>
    public static IReadOnlyList<ProblemFamily> All { get; } =
    [
        new("gift", "Somebody gets some more.", false, Gift),
        new("loss", "Some are given away.", false, Loss),
        new("both", "Two kinds, counted together.", false, Both),
        new("bags", "Bags of so many each.", false, Bags),
    ];

    private static (string, SolutionStep[]) Gift(Random random)
    {
        var story = new Story(random);
        var (person, friend, things, has, more) = (story.Person, story.Friend, story.Things, story.Number(2, 15), story.Number(2, 15));
        return (story.OneOf(
                $"{person} has {has} {things}. {friend} gives {person} {more} more {things}. How many {things} does {person} have now?",
                $"There are {has} {things} on the table. {person} puts {more} more {things} on it. How many {things} are on the table?"),
            [new($"{has} and {more} are {{0}} {things}.", new(has, Add, more))]);
    }

    private static (string, SolutionStep[]) Loss(Random random)
    {
        var story = new Story(random);
        var (person, friend, things, has) = (story.Person, story.Friend, story.Things, story.Number(5, 20));
        var less = story.Number(2, has - 2);
        return (story.OneOf(
                $"{person} has {has} {things} and gives {less} of them to {friend}. How many {things} does {person} have left?",
                $"There were {has} {things} on the table. {person} took {less} of them away. How many {things} are left on the table?"),
            [new($"What is left is {{0}} {things}.", new(has, Subtract, less))]);
    }

    private static (string, SolutionStep[]) Both(Random random)
    {
        var story = new Story(random);
        var (person, friend, things, a, b) = (story.Person, story.Friend, story.Things, story.Number(2, 15), story.Number(2, 15));
        return (story.OneOf(
                $"{person} has {a} {things} and {friend} has {b} {things}. How many {things} do they have together?",
                $"{person} found {a} {things} in the morning and {b} {things} in the evening. How many {things} did {person} find in total?"),
            [new($"Together that is {{0}} {things}.", new(a, Add, b))]);
    }

    private static (string, SolutionStep[]) Bags(Random random)
    {
        var story = new Story(random);
        var (person, things, bags, each) = (story.Person, story.Things, story.Number(2, 9), story.Number(2, 9));
        return (story.OneOf(
                $"{person} has {bags} bags with {each} {things} in each bag. How many {things} does {person} have?",
                $"One box holds {each} {things}. How many {things} are in {bags} boxes?"),
            [new($"In all there are {{0}} {things}.", new(bags, Multiply, each))]);
    }
}
