using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>One leaf of <see cref="ToolOptions"/>: its path, the flag that sets it, its default and its documentation.</summary>
/// <param name="Section">The section of <see cref="ToolOptions"/>.</param>
/// <param name="Path">The properties from the section to the leaf.</param>
/// <param name="Flag">For example <c>--lora-rank</c>.</param>
/// <param name="Default">The value in a new record.</param>
internal sealed record OptionProperty(SectionAttribute Section, IReadOnlyList<PropertyInfo> Path, string Flag, object? Default)
{
    /// <summary>Options that the tool sets itself: a cancelled run always keeps the model so far, and --map says what is recorded.</summary>
    private static readonly string[] NotOffered =
        [nameof(Training.FineTuneOptions.ReturnPartialOnCancel), nameof(Training.FineTuneOptions.RecordedRows)];

    /// <summary>The property of the leaf.</summary>
    public PropertyInfo Property => Path[^1];

    /// <summary>The type of the leaf; the underlying type if it is nullable.</summary>
    public Type Type => Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType;

    /// <summary>The name in an options file, for example <c>FineTune.Optimizer.Beta1</c>.</summary>
    public string Name => string.Join('.', Path.Select(property => property.Name));

    /// <summary>All leaves, by section.</summary>
    public static IReadOnlyList<OptionProperty> All { get; } =
        [.. Of(typeof(ToolOptions))
            .SelectMany(section => Leaves(section.GetCustomAttribute<SectionAttribute>()!, [section], section.GetValue(new ToolOptions())!))];

    /// <summary>Returns the properties of a record that can be set, without those that the tool sets itself.</summary>
    public static IEnumerable<PropertyInfo> Of(Type record) =>
        record.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite && !NotOffered.Contains(property.Name));

    /// <summary>Whether a property holds a nested option record.</summary>
    public static bool IsRecord(PropertyInfo property) =>
        property.PropertyType.IsClass && property.PropertyType.Namespace!.StartsWith("Microsoft.ML.Nlft", StringComparison.Ordinal);

    /// <summary>Sets the leaf in place; the <see cref="ToolOptions"/> must not be shared yet.</summary>
    public void Set(ToolOptions options, object? value) =>
        Property.SetValue(Path.Take(Path.Count - 1).Aggregate((object)options, (record, property) => property.GetValue(record)!), value);

    /// <summary>The default, spelled as on the command line.</summary>
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

    /// <summary>Converts BatchSize to batch-size.</summary>
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
