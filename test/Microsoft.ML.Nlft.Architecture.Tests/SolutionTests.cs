namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The solution shows what the build builds.</summary>
[TestClass]
public sealed class SolutionTests
{
    [TestMethod]
    public void Solution_Projects_AreAllListed()
    {
        var solution = File.ReadAllText(Repository.PathOf("Microsoft.ML.Nlft.sln")).Replace('\\', '/');
        var projects = new[] { "src", "test", "samples", "eng" }.SelectMany(folder => Repository.Files("*.csproj", folder));
        Expect.Nothing(projects.Where(project => !solution.Contains($"\"{project}\"", StringComparison.Ordinal)),
            "Not in the solution; add them with 'dotnet sln add PROJECT':");
    }
}
