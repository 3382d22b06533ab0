using System.Reflection;
using System.Runtime.Loader;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>Every public member of the offline subset exists, with the same signature, in the real packages.</summary>
[TestClass]
public sealed class OfflineSignatureTests
{
    private static readonly Lazy<IReadOnlyDictionary<string, Type>> RealTypes = new(() => Directory.GetFiles(AppContext.BaseDirectory, "Microsoft.ML*.dll")
        .Where(file => !Path.GetFileName(file).StartsWith("Microsoft.ML.Nlft", StringComparison.Ordinal))
        .SelectMany(file => Assembly.LoadFrom(file).GetExportedTypes()).ToDictionary(PublicSurface.Name));

    private static readonly Lazy<Type[]> OfflineTypes = new(() =>
    {
        var context = new AssemblyLoadContext("offline");
        return [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "offline"), "*.dll").SelectMany(file => context.LoadFromAssemblyPath(file).GetExportedTypes())];
    });

    public static IEnumerable<object[]> Types => OfflineTypes.Value.Select(type => new object[] { PublicSurface.Name(type) });

    [TestMethod]
    [DynamicData(nameof(Types))]
    public void An_offline_type_has_the_real_signatures(string name)
    {
        var real = RealTypes.Value.GetValueOrDefault(name);
        Assert.IsNotNull(real, "There is no such type in the real packages.");
        var offline = OfflineTypes.Value.Single(type => PublicSurface.Name(type) == name);
        Assert.AreNotEqual(real.Assembly.Location, offline.Assembly.Location);
        Expect.Nothing(PublicSurface.Of(offline).Except(PublicSurface.Of(real, inherited: true)), "Only in the offline subset:");
    }
}
