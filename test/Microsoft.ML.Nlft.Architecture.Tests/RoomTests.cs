using System.Reflection;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The dependency rules of docs/architecture.md, read from its tables, hold in the compiled code.</summary>
[TestClass]
public sealed class RoomTests
{
    private static readonly RoomMap Map = RoomMap.Read();

    private static readonly Assembly[] Assemblies = [.. Repository.Libraries.Select(Assembly.Load)];

    public static IEnumerable<object[]> Rooms => Map.Rooms.Keys.Select(room => new object[] { room });

    [TestMethod]
    [DynamicData(nameof(Rooms))]
    public void A_room_knows_only_the_rooms_it_may_know(string room)
    {
        var allowed = Map.Rooms[room].Append(room).ToHashSet();
        var arrows = from type in OurTypes.Where(type => Map.RoomOf(type) == room)
                     from known in TypeReferences.Of(type).Where(IsOurs)
                     where !allowed.Contains(Map.RoomOf(known))
                     select $"{RoomMap.Outermost(type)} knows {known} ({Map.RoomOf(known)})";
        Expect.Nothing(arrows, $"{room} may know no room but: {string.Join(", ", Map.Rooms[room])}.");
    }

    [TestMethod]
    public void Every_type_lives_in_a_room_of_the_table() =>
        Expect.Nothing(OurTypes.Where(type => !Map.Rooms.ContainsKey(Map.RoomOf(type))).Select(type => RoomMap.Outermost(type).ToString()),
            "Types outside the rooms of docs/architecture.md:");

    [TestMethod]
    public void Every_room_of_the_table_is_lived_in() =>
        Expect.Nothing(Map.Rooms.Keys.Except(OurTypes.Select(Map.RoomOf)), "Rooms of docs/architecture.md without a type:");

    [TestMethod]
    public void No_arrow_of_the_table_runs_back()
    {
        // Rooms that know only rooms already placed can be placed; a circle never can.
        var placed = new HashSet<string>();
        while (Map.Rooms.Keys.FirstOrDefault(room => !placed.Contains(room) && Map.Rooms[room].All(placed.Contains)) is { } next) placed.Add(next);
        Expect.Nothing(Map.Rooms.Keys.Except(placed), "These rooms know each other in a circle, or name a room without a row:");
    }

    [TestMethod]
    public void An_assembly_references_only_the_assemblies_it_may_reference()
    {
        var references = from assembly in Assemblies
                         let name = assembly.GetName().Name!
                         from other in assembly.GetReferencedAssemblies().Select(reference => reference.Name!)
                         where !other.StartsWith("System.", StringComparison.Ordinal) && other != "netstandard" && !Map.MayReference(name, other)
                         select $"{name} references {other}";
        Expect.Nothing(references, "References that docs/architecture.md does not allow:");
    }

    [TestMethod]
    public void The_walk_sees_types_that_only_code_names()
    {
        var seen = TypeReferences.Of(typeof(RoomTests)).ToHashSet();
        Assert.Contains(typeof(Repository), seen);
        Assert.Contains(typeof(DynamicDataAttribute).Assembly, seen.Select(type => type.Assembly));
        Assert.DoesNotContain(nameof(SolutionTests), seen.Select(type => type.Name));
    }

    private static IEnumerable<Type> OurTypes => Assemblies.SelectMany(assembly => assembly.GetTypes()).Where(IsOurs);

    /// <summary>The compiler puts helpers of its own into the assembly, outside our namespaces.</summary>
    private static bool IsOurs(Type type) =>
        Assemblies.Contains(type.Assembly) && RoomMap.Outermost(type).Namespace is { } space &&
        space.StartsWith("Microsoft.ML", StringComparison.Ordinal);
}
