using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.Study;

/// <summary>Families of the pretraining with numbers outside it: the misconception is known, the problems are new.</summary>
internal static class WiderFamilies
{
    /// <summary>
    /// The pretraining's snail family has 128 problems, all seen. Days of up to 14 metres and nights of up to 9 give several hundred others.
    /// </summary>
    public static ProblemFamily Snail { get; } = Of("snail", random => MisconceptionFamilies.Snail(random, story =>
    {
        var back = story.Number(2, 9);
        return (story.Number(5, 14, n => n - back is >= 3 and <= 9), back, story.Number(3, 9));
    }));

    /// <summary>Dozens with a harder subtraction after the wrong unit.</summary>
    public static ProblemFamily Dozens { get; } = Of("dozens", random =>
        MisconceptionFamilies.Dozens(random, story => (story.Number(4, 9), story.Number(15, 30))));

    /// <summary>Sharing up to 54 things among up to six friends.</summary>
    public static ProblemFamily SharedBack { get; } = Of("shared-back", random => MisconceptionFamilies.SharedBack(random, story =>
    {
        var friends = story.Number(2, 6);
        var more = story.Number(5, 9);
        return (story.Number(3, 49, n => (n + more) % friends == 0 && (n + more) / friends is >= 3 and <= 9), more, friends);
    }));

    private static ProblemFamily Of(string name, Func<Random, (string, SolutionStep[])> create) =>
        MisconceptionFamilies.Named(name) with { Create = create };
}
