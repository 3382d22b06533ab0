using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>A method that <c>nlft train --method</c> names.</summary>
/// <param name="Name">Its name.</param>
/// <param name="What">What it learns from, for the help.</param>
/// <param name="IsSupervised">Whether it learns to reproduce what the rows show, so that they need neither judgment nor answer.</param>
/// <param name="Objective">Creates its objective.</param>
/// <param name="Section">The section of <see cref="ToolOptions"/> with the options of its objective; null: it has none.</param>
internal sealed record TrainingMethod(
    string Name, string What, bool IsSupervised, Func<ToolOptions, ITokenObjective> Objective, string? Section = null)
{
    /// <summary>All methods; the first of each kind is the default for rows of that kind.</summary>
    public static IReadOnlyList<TrainingMethod> All { get; } =
    [
        new("nlft", "natural language fine-tuning, from right and wrong responses with judgments", false,
            options => new NaturalLanguageObjective(options.Objective), nameof(ToolOptions.Objective)),
        new("sft", "supervised fine-tuning on what the rows show", true, _ => new LikelihoodObjective()),
        new("cut", "contrastive unlikelihood training, from the same rows as nlft", false, _ => new ContrastiveUnlikelihoodObjective()),
        new("self-distillation", "the model's own predictions in view of the answer, from the same rows as nlft", false,
            options => new SelfDistillationObjective(options.SelfDistillation), nameof(ToolOptions.SelfDistillation)),
        new("dft", "sft that counts tokens by their probability", true, _ => new DynamicObjective()),
        new("eaft", "sft that spares tokens where the model is sure of something else", true, _ => new EntropyAdaptiveObjective()),
        new("profit", "sft on likely tokens alone", true, _ => new ProbabilityGuidedObjective()),
    ];

    /// <summary>The method of a name; null: the default for rows of a kind.</summary>
    public static TrainingMethod Of(string? name, bool supervised) =>
        All.First(method => name is null ? method.IsSupervised == supervised : method.Name == name);
}
