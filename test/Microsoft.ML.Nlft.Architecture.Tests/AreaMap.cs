using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The two tables of docs/architecture.md: which area may depend on which, and which assembly may reference which.</summary>
internal sealed partial class AreaMap
{
    private const string Common = "Common", RootNamespace = "Microsoft.ML.Nlft";

    private AreaMap(IReadOnlyDictionary<string, string[]> areas, IReadOnlyDictionary<string, string[]> assemblies) =>
        (Areas, Assemblies) = (areas, assemblies);

    /// <summary>Each area and the areas it may depend on.</summary>
    public IReadOnlyDictionary<string, string[]> Areas { get; }

    /// <summary>Each assembly and the assemblies it may reference; a name that ends in * stands for all that begin so.</summary>
    public IReadOnlyDictionary<string, string[]> Assemblies { get; }

    public static AreaMap Read()
    {
        var lines = File.ReadAllLines(Repository.PathOf("docs", "architecture.md"));
        return new AreaMap(Table(lines, "| Area "), Table(lines, "| Assembly "));
    }

    /// <summary>
    /// Outside Core an assembly is an area. In Core the namespace names the area; a type of the root namespace belongs to the area whose name its own
    /// name begins with, else to <see cref="Common"/>.
    /// </summary>
    public string AreaOf(Type type)
    {
        type = Outermost(type);
        var assembly = type.Assembly.GetName().Name!;
        if (assembly != RootNamespace + ".Core") return assembly;
        if (type.Namespace != RootNamespace) return type.Namespace![(RootNamespace.Length + 1)..].Split('.')[0];
        return Areas.Keys.Where(area => type.Name.StartsWith(area, StringComparison.Ordinal)).MaxBy(area => area.Length) ?? Common;
    }

    public static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    public bool MayReference(string assembly, string other) =>
        Assemblies[assembly].Any(allowed => allowed.EndsWith('*') ? other.StartsWith(allowed[..^1], StringComparison.Ordinal) : other == allowed);

    /// <summary>The table whose header begins with <paramref name="header"/>: the names in code style of its first and last columns.</summary>
    private static Dictionary<string, string[]> Table(string[] lines, string header)
    {
        var start = Array.FindIndex(lines, line => line.StartsWith(header, StringComparison.Ordinal));
        if (start < 0) throw new InvalidDataException($"docs/architecture.md has no table that begins with '{header}'.");
        return lines.Skip(start + 2).TakeWhile(line => line.StartsWith('|')).Select(line => line.Trim('|').Split('|'))
            .ToDictionary(cells => Names(cells[0]).Single(), cells => Names(cells[^1]));
    }

    private static string[] Names(string cell) => [.. CodeSpan().Matches(cell).Select(match => match.Groups[1].Value)];

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex CodeSpan();
}
