using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>The options of an objective as texts: <see cref="ITokenObjective.Settings"/>.</summary>
public static class ObjectiveSettings
{
    /// <summary>
    /// Lists every public property of an options object in the order of declaration; this library's options inside options by their path.
    /// </summary>
    /// <typeparam name="T">The type whose properties are listed; they are kept when a program is trimmed.</typeparam>
    /// <param name="options">The options, for example a record.</param>
    /// <returns>Names and values; numbers in invariant culture, texts in double quotes.</returns>
    /// <example>
    /// <code>
    /// public IReadOnlyList&lt;KeyValuePair&lt;string, string&gt;&gt; Settings =&gt; ObjectiveSettings.Of(_options);
    /// </code>
    /// </example>
    public static IReadOnlyList<KeyValuePair<string, string>> Of<[DynamicallyAccessedMembers(OptionValues.Kept)] T>(T options)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(options);
        return [.. OptionValues.Of(options, text => $"\"{text}\"").Select(option => KeyValuePair.Create(option.Name, option.Value))];
    }
}
