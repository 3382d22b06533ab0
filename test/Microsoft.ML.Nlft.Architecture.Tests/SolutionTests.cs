namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The solution shows what the build builds, and every package of it is pinned.</summary>
[TestClass]
public sealed class SolutionTests
{
    [TestMethod]
    public void Solution_Projects_AreAllListed()
    {
        var solution = File.ReadAllText(Repository.PathOf("Microsoft.ML.Nlft.sln")).Replace('\\', '/');
        Expect.Nothing(Projects.Where(project => !solution.Contains($"\"{project}\"", StringComparison.Ordinal)),
            "Not in the solution; add them with 'dotnet sln add PROJECT':");
    }

    [TestMethod]
    public void Projects_Packages_ArePinnedByALockFile() =>
        Expect.Nothing(Projects.Where(project => Directory.GetFiles(Path.GetDirectoryName(Repository.PathOf(project))!, "packages*.lock.json") is []),
            "Without a lock file; 'dotnet restore PROJECT' writes it:");

    private static IEnumerable<string> Projects =>
        new[] { "src", "test", "samples", "eng" }.SelectMany(folder => Repository.Files("*.csproj", folder))
            .Where(project => !project.StartsWith("eng/templates/content/", StringComparison.Ordinal)); // a template, no project yet
}
