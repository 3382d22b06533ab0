using System.Reflection;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The public surface of each assembly is what its PublicAPI.txt says. UPDATE_PUBLIC_API=1 writes the files anew.</summary>
[TestClass]
public sealed class PublicApiTests
{
    public static IEnumerable<object[]> Projects => Repository.Libraries.Select(project => new object[] { project });

    [TestMethod]
    [DynamicData(nameof(Projects))]
    public void The_public_surface_is_the_one_on_file(string project)
    {
        var file = Repository.PathOf("src", project, "PublicAPI.txt");
        var surface = PublicSurface.Of(Assembly.Load(project)).ToArray();
        if (Environment.GetEnvironmentVariable("UPDATE_PUBLIC_API") == "1")
            File.WriteAllText(file, string.Concat(surface.Select(line => line + "\n")));
        var expected = File.Exists(file) ? File.ReadAllLines(file) : [];
        Expect.Nothing(expected.Except(surface).Select(line => "- " + line).Concat(surface.Except(expected).Select(line => "+ " + line)),
            $"The public surface of {project} changed. If that is meant, run: UPDATE_PUBLIC_API=1 ./build.sh test --filter PublicApi, " +
            "and describe the change in CHANGELOG.md.");
    }
}
