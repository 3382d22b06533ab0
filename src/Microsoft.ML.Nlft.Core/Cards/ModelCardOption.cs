using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>An option of a <see cref="ModelCard"/> with its value.</summary>
/// <param name="Group">What it belongs to, for example <c>LoRA</c>.</param>
/// <param name="Name">Its name, for example <c>Rank</c>.</param>
/// <param name="Value">Its value as text; texts in double quotes.</param>
public sealed record ModelCardOption(string Group, string Name, string Value)
{
    /// <summary>
    /// Every public property of an options object, in the order of its declaration; options inside options by their path. Left out is what no result depends
    /// on: where checkpoints lie and how often they are written.
    /// </summary>
    /// <param name="group">What the options belong to.</param>
    /// <param name="options">The options; null gives none.</param>
    public static IReadOnlyList<ModelCardOption> Of(string group, object? options) =>
        [.. OptionValues.Of(options, CardText.Quoted).Select(option => new ModelCardOption(group, option.Name, option.Value))];
}
