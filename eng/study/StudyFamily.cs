using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.Study;

/// <summary>What a cell of the study trains on and is tested on.</summary>
/// <param name="Name">Its name.</param>
/// <param name="What">What is difficult about it.</param>
/// <param name="Problems">The problem families that it draws from, in turns.</param>
internal sealed record StudyFamily(string Name, string What, IReadOnlyList<ProblemFamily> Problems)
{
    /// <summary>The family on which learning rates are searched; it is in no cell of the study.</summary>
    public static StudyFamily Development { get; } = One("shared-back", "sharing multiplies (development: learning rates only)");

    /// <summary>The families of the study.</summary>
    public static IReadOnlyList<StudyFamily> All { get; } =
    [
        One("fewer-than-twice", "a misconception in one step: \"fewer\" is added"),
        One("snail", "misconceptions in both steps"),
        One("dozens", "a wrong unit: a dozen is ten"),
        One("bus", "noisy arithmetic: sums without the carry, half of the time"),
        new("mix", "four misconceptions among the nine kinds of problems that the model masters",
            [.. MisconceptionFamilies.All.Where(family => family.Name != "shared-back"), .. MasteredFamilies.All]),
    ];

    private static StudyFamily One(string name, string what) => new(name, what, [MisconceptionFamilies.Named(name)]);
}
