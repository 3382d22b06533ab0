using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The two tables of docs/architecture.md: which room may know which, and which assembly may reference which.</summary>
internal sealed partial class RoomMap
{
    public const string Face = "Face", Common = "Common";

    private const string RootNamespace = "Microsoft.ML.Nlft";

    private RoomMap(IReadOnlyDictionary<string, string[]> rooms, IReadOnlyDictionary<string, string[]> assemblies) => (Rooms, Assemblies) = (rooms, assemblies);

    /// <summary>Room to the rooms it may know.</summary>
    public IReadOnlyDictionary<string, string[]> Rooms { get; }

    /// <summary>Assembly to the assemblies it may reference; a name that ends in * stands for all that begin so.</summary>
    public IReadOnlyDictionary<string, string[]> Assemblies { get; }

    public static RoomMap Read()
    {
        var lines = File.ReadAllLines(Repository.PathOf("docs", "architecture.md"));
        return new RoomMap(Table(lines, "| Room "), Table(lines, "| Assembly "));
    }

    /// <summary>A face type is in <see cref="Face"/>. In Core the namespace names the room; in the root namespace a room whose name the type's begins with, else <see cref="Common"/>.</summary>
    public string RoomOf(Type type)
    {
        type = Outermost(type);
        var assembly = type.Assembly.GetName().Name!;
        if (assembly != RootNamespace + ".Core") return assembly == RootNamespace ? Face : assembly;
        if (type.Namespace != RootNamespace) return type.Namespace![(RootNamespace.Length + 1)..].Split('.')[0];
        return Rooms.Keys.Where(room => type.Name.StartsWith(room, StringComparison.Ordinal)).MaxBy(room => room.Length) ?? Common;
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
