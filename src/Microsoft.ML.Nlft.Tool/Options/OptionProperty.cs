using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>One leaf of <see cref="ToolOptions"/>: where it lies, the flag that sets it, its default and its documentation.</summary>
/// <param name="Section">The section of <see cref="ToolOptions"/>.</param>
/// <param name="Path">From the section's property to the leaf's.</param>
/// <param name="Flag">For example <c>--lora-rank</c>.</param>
/// <param name="Default">The value of a new record.</param>
internal sealed record OptionProperty(SectionAttribute Section, IReadOnlyList<PropertyInfo> Path, string Flag, object? Default)
{
    /// <summary>
    /// A cancelled run keeps the model so far: the tool's own behaviour, not a choice. What is recorded is a matter of the command's own options.
    /// </summary>
    private static readonly string[] NotOffered = [nameof(Training.FineTuneOptions.ReturnPartialOnCancel),
        nameof(Training.FineTuneOptions.RecordedRows)];

    /// <summary>The leaf.</summary>
    public PropertyInfo Property => Path[^1];

    /// <summary>Its type, without a nullable's mark.</summary>
    public Type Type => Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType;

    /// <summary>Its place in an options file, for example <c>FineTune.Optimizer.Beta1</c>.</summary>
    public string Name => string.Join('.', Path.Select(property => property.Name));

    /// <summary>All leaves, section by section.</summary>
    public static IReadOnlyList<OptionProperty> All { get; } =
        [.. Of(typeof(ToolOptions))
            .SelectMany(section => Leaves(section.GetCustomAttribute<SectionAttribute>()!, [section], section.GetValue(new ToolOptions())!))];

    /// <summary>The properties of a record that can be set, those the tool decides itself left out.</summary>
    public static IEnumerable<PropertyInfo> Of(Type record) =>
        record.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite && !NotOffered.Contains(property.Name));

    /// <summary>Whether a property holds a record with properties of its own.</summary>
    public static bool IsRecord(PropertyInfo property) =>
        property.PropertyType.IsClass && property.PropertyType.Namespace!.StartsWith("Microsoft.ML.Nlft", StringComparison.Ordinal);

    /// <summary>Sets the leaf of a <see cref="ToolOptions"/> that nobody else holds yet.</summary>
    public void Set(ToolOptions options, object? value) =>
        Property.SetValue(Path.Take(Path.Count - 1).Aggregate((object)options, (record, property) => property.GetValue(record)!), value);

    /// <summary>The default as it would be typed.</summary>
    public string DefaultText => Default switch
    {
        null => "none",
        bool flag => flag ? "true" : "false",
        string text => $"\"{text.Replace("\n", "\\n", StringComparison.Ordinal)}\"",
        Enum value => Kebab(value.ToString()),
        IEnumerable list => string.Join(' ', list.Cast<object>()) is { Length: > 0 } items ? items : "none",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => Default.ToString()!,
    };

    /// <summary>BatchSize becomes batch-size.</summary>
    public static string Kebab(string name)
    {
        var kebab = new StringBuilder();
        foreach (var letter in name)
        {
            if (char.IsUpper(letter) && kebab.Length > 0) kebab.Append('-');
            kebab.Append(char.ToLowerInvariant(letter));
        }
        return kebab.ToString();
    }

    private static IEnumerable<OptionProperty> Leaves(SectionAttribute section, PropertyInfo[] path, object record)
    {
        foreach (var property in Of(record.GetType()))
        {
            PropertyInfo[] inner = [.. path, property];
            if (IsRecord(property))
            {
                foreach (var leaf in Leaves(section, inner, property.GetValue(record)!)) yield return leaf;
            }
            else
            {
                var names = inner.Skip(1).Select(step => Kebab(step.Name));
                yield return new(section, inner, "--" + string.Join('-', section.Prefix is { } prefix ? names.Prepend(prefix) : names),
                    property.GetValue(record));
            }
        }
    }
}
