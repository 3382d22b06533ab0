using System.Collections;
using System.Globalization;
using System.Reflection;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>An option of a <see cref="ModelCard"/> with its value.</summary>
/// <param name="Group">What it belongs to, for example <c>LoRA</c>.</param>
/// <param name="Name">Its name, for example <c>Rank</c>.</param>
/// <param name="Value">Its value as text; texts in double quotes.</param>
public sealed record ModelCardOption(string Group, string Name, string Value)
{
    /// <summary>Every public property of an options object, in the order of its declaration; options inside options by their path.</summary>
    /// <param name="group">What the options belong to.</param>
    /// <param name="options">The options; null gives none.</param>
    public static IReadOnlyList<ModelCardOption> Of(string group, object? options) =>
        options is null ? [] : [.. Flatten(options, "").Select(option => new ModelCardOption(group, option.Name, option.Value))];

    private static IEnumerable<(string Name, string Value)> Flatten(object options, string prefix)
    {
        var properties = options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.GetIndexParameters().Length == 0);
        foreach (var property in properties.OrderBy(property => property.MetadataToken))
        {
            var value = property.GetValue(options);
            if (Text(value) is { } text) yield return (prefix + property.Name, text);
            else foreach (var inner in Flatten(value!, $"{prefix}{property.Name}.")) yield return inner;
        }
    }

    /// <summary>A value as text; null for an object with options of its own.</summary>
    private static string? Text(object? value) => value switch
    {
        null => "none",
        bool flag => flag ? "true" : "false",
        string text => CardText.Quoted(text),
        Enum name => name.ToString(),
        System.Text.Json.JsonElement json => json.GetRawText(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IDictionary pairs => $"{{{string.Join(", ", pairs.Keys.Cast<object>().Select(key => $"{Text(key)}: {Text(pairs[key])}"))}}}",
        IEnumerable values => $"[{string.Join(", ", values.Cast<object>().Select(Text))}]",
        _ => null,
    };
}
