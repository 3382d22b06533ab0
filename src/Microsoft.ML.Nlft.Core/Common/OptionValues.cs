using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;

namespace Microsoft.ML.Nlft.Common;

/// <summary>Lists the values of an options object by name, as texts that model cards show and checkpoints compare.</summary>
internal static class OptionValues
{
    /// <summary>What a trimmed program must keep of options: attributes need it spelled out.</summary>
    public const DynamicallyAccessedMemberTypes Kept = DynamicallyAccessedMemberTypes.PublicProperties;

    /// <summary>Returns every public property that can change a result, in declaration order; nested options by their path.</summary>
    /// <typeparam name="T">The type whose properties are listed.</typeparam>
    /// <param name="options">The options; null gives none.</param>
    /// <param name="quote">Puts a text into quotes.</param>
    public static IEnumerable<(string Name, string Value)> Of<[DynamicallyAccessedMembers(Kept)] T>(T? options, Func<string, string> quote)
        where T : class => options is null ? [] : Flatten(options, typeof(T), "", quote);

    private static IEnumerable<(string Name, string Value)> Flatten(
        object options, [DynamicallyAccessedMembers(Kept)] Type type, string prefix, Func<string, string> quote)
    {
        // A natively compiled program has no tokens; it lists properties in declaration order.
        var properties = type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.GetIndexParameters().Length == 0 && !property.IsDefined(typeof(ChangesNoResultAttribute)))
            .OrderBy(property => property.HasMetadataToken() ? property.MetadataToken : 0);
        foreach (var property in properties)
        {
            var value = property.GetValue(options);
            if (value is not INestedOptions nested) yield return (prefix + property.Name, Text(value, quote));
            else foreach (var inner in FlattenNested(nested, $"{prefix}{property.Name}.", quote)) yield return inner;
        }
    }

    private static IEnumerable<(string Name, string Value)> FlattenNested(INestedOptions options, string prefix, Func<string, string> quote) =>
        Flatten(options, options.GetType(), prefix, quote);

    private static string Text(object? value, Func<string, string> quote) => value switch
    {
        null => "none",
        bool flag => flag ? "true" : "false",
        string text => quote(text),
        Enum name => name.ToString(),
        System.Text.Json.JsonElement json => json.GetRawText(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IDictionary pairs => $"{{{string.Join(", ", pairs.Keys.Cast<object>().Select(key => $"{Text(key, quote)}: {Text(pairs[key], quote)}"))}}}",
        IEnumerable values => $"[{string.Join(", ", values.Cast<object>().Select(item => Text(item, quote)))}]",
        _ => value.ToString() ?? "",
    };
}

/// <summary>Options inside other options: their properties are listed by path, and kept when a program is trimmed.</summary>
[DynamicallyAccessedMembers(OptionValues.Kept)]
internal interface INestedOptions;

/// <summary>Marks an option on which no result depends by itself, such as where or how often files are written.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ChangesNoResultAttribute : Attribute;
