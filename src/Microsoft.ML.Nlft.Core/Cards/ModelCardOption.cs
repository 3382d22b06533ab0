using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>An option of a <see cref="ModelCard"/> with its value.</summary>
/// <param name="Group">The group that it belongs to, for example <c>LoRA</c>.</param>
/// <param name="Name">Its name, for example <c>Rank</c>.</param>
/// <param name="Value">Its value as text; strings are in double quotes.</param>
public sealed record ModelCardOption(string Group, string Name, string Value)
{
    /// <summary>
    /// Lists every public property of an options object in declaration order; nested options are named by their path. Options that do not affect
    /// results, such as the folder and interval of checkpoints, are left out.
    /// </summary>
    /// <typeparam name="T">The type whose properties are listed; they are kept when a program is trimmed.</typeparam>
    /// <param name="group">The group of the options.</param>
    /// <param name="options">The options; null gives none.</param>
    public static IReadOnlyList<ModelCardOption> Of<[DynamicallyAccessedMembers(OptionValues.Kept)] T>(string group, T? options)
        where T : class =>
        [.. OptionValues.Of(options, CardText.Quoted).Select(option => new ModelCardOption(group, option.Name, option.Value))];
}
