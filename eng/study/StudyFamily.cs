using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.Study;

/// <summary>The training and test problems of a cell of the study.</summary>
/// <param name="Name">The name.</param>
/// <param name="What">The difficulty.</param>
/// <param name="Problems">The problem families that rows and test problems are drawn from.</param>
/// <param name="Kept">Families of half of the test problems and no rows: the model must keep them.</param>
internal sealed record StudyFamily(string Name, string What, IReadOnlyList<ProblemFamily> Problems, IReadOnlyList<ProblemFamily>? Kept = null)
{
    /// <summary>The family of the learning-rate search, outside the study.</summary>
    public static StudyFamily Development { get; } = new("shared-back",
        "sharing multiplies (development: learning rates only); half of the tests are packs, where multiplying must stay",
        [WiderFamilies.SharedBack], [Mastered("packs")]);

    /// <summary>The families of the study.</summary>
    public static IReadOnlyList<StudyFamily> All { get; } =
    [
        new("fewer-than-twice",
            "a misconception in one step, \"fewer\" is added; half of the tests are its twin \"more than twice\", where adding must stay",
            [MisconceptionFamilies.Named("fewer-than-twice")], [Mastered("more-than-twice")]),
        new("snail", "misconceptions in both steps, with larger numbers than the pretraining's", [WiderFamilies.Snail]),
        new("dozens", "a wrong unit, a dozen is ten; and a subtraction harder than the pretraining's", [WiderFamilies.Dozens]),
        One("bus", "noisy arithmetic: sums without the carry, half of the time"),
        new("mix", "four misconceptions among the nine kinds of problems that the model masters",
            [.. MisconceptionFamilies.All.Where(family => family.Name != "shared-back"), .. MasteredFamilies.All]),
    ];

    private static StudyFamily One(string name, string what) => new(name, what, [MisconceptionFamilies.Named(name)]);

    private static ProblemFamily Mastered(string name) => MasteredFamilies.All.Single(family => family.Name == name);
}
