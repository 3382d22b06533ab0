using System.Reflection;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The dependency rules of docs/architecture.md, read from its tables, hold in the compiled code.</summary>
[TestClass]
public sealed class AreaTests
{
    private static readonly AreaMap Map = AreaMap.Read();

    private static readonly Assembly[] Assemblies = [.. Repository.Libraries.Select(Assembly.Load)];

    public static IEnumerable<object[]> Areas => Map.Areas.Keys.Select(area => new object[] { area });

    [TestMethod]
    [DynamicData(nameof(Areas))]
    public void Area_References_AreAllowedByTheTable(string area)
    {
        var allowed = Map.Areas[area].Append(area).ToHashSet();
        var offenders = from type in OurTypes.Where(type => Map.AreaOf(type) == area)
                     from used in TypeReferences.Of(type).Where(IsOurs)
                     where !allowed.Contains(Map.AreaOf(used))
                     select $"{PublicSurface.Name(AreaMap.Outermost(type))} depends on {PublicSurface.Name(used)} ({Map.AreaOf(used)})";
        Expect.Nothing(offenders, $"{area} may depend only on: {string.Join(", ", Map.Areas[area])}.");
    }

    [TestMethod]
    public void Types_Namespace_IsAnAreaOfTheTable() =>
        Expect.Nothing(OurTypes.Where(type => !Map.Areas.ContainsKey(Map.AreaOf(type))).Select(type => PublicSurface.Name(AreaMap.Outermost(type))),
            "Types outside the areas of docs/architecture.md:");

    [TestMethod]
    public void Table_Area_HasTypes() =>
        Expect.Nothing(Map.Areas.Keys.Except(OurTypes.Select(Map.AreaOf)), "Areas of docs/architecture.md without a type:");

    [TestMethod]
    public void Table_Dependencies_AreAcyclic()
    {
        // An area that depends only on areas already placed can be placed; a cycle never can.
        var placed = new HashSet<string>();
        while (Map.Areas.Keys.FirstOrDefault(area => !placed.Contains(area) && Map.Areas[area].All(placed.Contains)) is { } next) placed.Add(next);
        Expect.Nothing(Map.Areas.Keys.Except(placed), "These areas depend on each other in a cycle, or name an area without a row:");
    }

    [TestMethod]
    public void Assembly_References_AreAllowedByTheTable()
    {
        var references = from assembly in Assemblies
                         let name = assembly.GetName().Name!
                         from other in assembly.GetReferencedAssemblies().Select(reference => reference.Name!)
                         where !other.StartsWith("System.", StringComparison.Ordinal) && other != "netstandard" && !Map.MayReference(name, other)
                         select $"{name} references {other}";
        Expect.Nothing(references, "References that docs/architecture.md does not allow:");
    }

    [TestMethod]
    public void TypeReferences_CodeBody_AreSeen()
    {
        var seen = TypeReferences.Of(typeof(AreaTests)).ToHashSet();
        Assert.Contains(typeof(Repository), seen);
        Assert.Contains(typeof(DynamicDataAttribute).Assembly, seen.Select(type => type.Assembly));
        Assert.DoesNotContain(nameof(SolutionTests), seen.Select(type => type.Name));
    }

    private static IEnumerable<Type> OurTypes => Assemblies.SelectMany(assembly => assembly.GetTypes()).Where(IsOurs);

    /// <summary>The compiler puts helpers of its own into the assembly, outside our namespaces.</summary>
    private static bool IsOurs(Type type) =>
        Assemblies.Contains(type.Assembly) && AreaMap.Outermost(type).Namespace is { } space &&
        space.StartsWith("Microsoft.ML", StringComparison.Ordinal);
}
