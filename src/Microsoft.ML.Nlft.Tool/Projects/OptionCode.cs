using System.Text.Json;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Projects;

/// <summary>The options that differ from their defaults, as C# source.</summary>
internal static class OptionCode
{
    /// <summary>
    /// Returns an object creation such as <c>new() { Epochs = 5, Optimizer = new() { Beta2 = 0.99 } }</c>; null: all are the defaults.
    /// </summary>
    /// <param name="record">A record of options.</param>
    /// <param name="namespaces">Receives the namespaces that the text needs.</param>
    public static string? Creation(object record, ISet<string> namespaces)
    {
        var defaults = Activator.CreateInstance(record.GetType())!;
        var set = new List<string>();
        foreach (var property in OptionProperty.Of(record.GetType()))
        {
            var value = property.GetValue(record);
            if (OptionProperty.IsRecord(property))
            {
                if (Creation(value!, namespaces) is { } inner) set.Add($"{property.Name} = {inner}");
                continue;
            }
            var ignored = new HashSet<string>();
            if (Text(value, ignored) != Text(property.GetValue(defaults), ignored)) set.Add($"{property.Name} = {Text(value, namespaces)}");
        }
        return set.Count > 0 ? $"new() {{ {string.Join(", ", set)} }}" : null;
    }

    private static string Text(object? value, ISet<string> namespaces)
    {
        if (value is not JsonElement json) return CSharpText.Value(value, namespaces);
        namespaces.Add(typeof(JsonElement).Namespace!);
        return $"JsonElement.Parse({CSharpText.Literal(json.GetRawText())})";
    }
}
