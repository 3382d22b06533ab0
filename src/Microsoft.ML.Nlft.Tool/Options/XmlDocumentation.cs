using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>Reads the summaries of properties from the documentation file that the compiler writes beside each assembly.</summary>
internal sealed partial class XmlDocumentation
{
    private readonly Dictionary<Assembly, Dictionary<string, XElement>> _members = [];

    /// <summary>Returns a property's summary as plain text; empty when the documentation file is missing.</summary>
    public string Summary(PropertyInfo property)
    {
        var type = property.DeclaringType!;
        return Members(type.Assembly).TryGetValue($"P:{type.FullName!.Replace('+', '.')}.{property.Name}", out var member)
            && member.Element("summary") is { } summary
            ? Blanks().Replace(string.Concat(summary.Nodes().Select(Text)), " ").Trim() : "";
    }

    private Dictionary<string, XElement> Members(Assembly assembly)
    {
        if (_members.TryGetValue(assembly, out var known)) return known;
        var path = Path.Combine(AppContext.BaseDirectory, $"{assembly.GetName().Name}.xml");
        return _members[assembly] = File.Exists(path)
            ? XDocument.Load(path).Descendants("member").ToDictionary(member => member.Attribute("name")!.Value) : [];
    }

    private static string Text(XNode node) => node switch
    {
        XText text => text.Value,
        XElement element when (element.Attribute("cref") ?? element.Attribute("name") ?? element.Attribute("langword")) is { } reference =>
            Name(reference.Value),
        XElement element => string.Concat(element.Nodes().Select(Text)),
        _ => "",
    };

    /// <summary>Names a reference: an option by its flag, a text constant by its value, anything else by the last part of its name.</summary>
    private static string Name(string reference)
    {
        var (path, last) = (reference.Split('(')[0], reference.Split('(')[0].Split('.', ':')[^1]);
        if (OptionProperty.All.FirstOrDefault(option => path == $"P:{option.Property.DeclaringType}.{last}"
            && option.Property.Name == last) is { } known)
        {
            return known.Flag;
        }
        return path.StartsWith("F:", StringComparison.Ordinal) && typeof(LocalModel).Assembly.GetType(path[2..^(last.Length + 1)])?.GetField(last)
            is { IsLiteral: true } constant && constant.GetRawConstantValue() is string text ? text : last;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
