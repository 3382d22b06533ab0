namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The offline subset stays small and is never shipped.</summary>
[TestClass]
public sealed class OfflineBudgetTests
{
    private const int MostLines = 1500;

    [TestMethod]
    public void The_offline_subset_has_at_most_1500_lines()
    {
        var files = Repository.Files("*.cs", "eng", "offline").ToArray();
        Assert.IsNotEmpty(files);
        Assert.IsLessThanOrEqualTo(MostLines, files.Sum(file => File.ReadLines(Repository.PathOf(file)).Count()));
    }

    [TestMethod]
    public void No_project_of_the_offline_subset_can_be_packed()
    {
        Assert.Contains("<IsPackable>false</IsPackable>", File.ReadAllText(Repository.PathOf("eng", "offline", "Directory.Build.props")));
        foreach (var project in Repository.Files("*.csproj", "eng", "offline")) Assert.DoesNotContain("IsPackable", File.ReadAllText(Repository.PathOf(project)), project);
    }
}
