using System.Collections;
using System.Globalization;
using System.Reflection;

namespace Microsoft.ML.Nlft.Common;

/// <summary>Lists the values of an options object by name, as texts that model cards show and checkpoints compare.</summary>
internal static class OptionValues
{
    /// <summary>Returns every public property that can change a result, in declaration order; nested options by their path.</summary>
    /// <param name="options">The options; null gives none.</param>
    /// <param name="quote">Puts a text into quotes.</param>
    public static IEnumerable<(string Name, string Value)> Of(object? options, Func<string, string> quote) =>
        options is null ? [] : Flatten(options, "", quote);

    private static IEnumerable<(string Name, string Value)> Flatten(object options, string prefix, Func<string, string> quote)
    {
        var properties = options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.GetIndexParameters().Length == 0 && !property.IsDefined(typeof(ChangesNoResultAttribute)));
        foreach (var property in properties.OrderBy(property => property.MetadataToken))
        {
            var value = property.GetValue(options);
            if (Text(value, quote) is { } text) yield return (prefix + property.Name, text);
            else foreach (var inner in Flatten(value!, $"{prefix}{property.Name}.", quote)) yield return inner;
        }
    }

    /// <summary>Formats a value; null for a nested options object.</summary>
    private static string? Text(object? value, Func<string, string> quote) => value switch
    {
        null => "none",
        bool flag => flag ? "true" : "false",
        string text => quote(text),
        Enum name => name.ToString(),
        System.Text.Json.JsonElement json => json.GetRawText(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IDictionary pairs => $"{{{string.Join(", ", pairs.Keys.Cast<object>().Select(key => $"{Text(key, quote)}: {Text(pairs[key], quote)}"))}}}",
        IEnumerable values => $"[{string.Join(", ", values.Cast<object>().Select(item => Text(item, quote)))}]",
        _ => null,
    };
}

/// <summary>Marks an option on which no result depends by itself, such as where or how often files are written.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ChangesNoResultAttribute : Attribute;
