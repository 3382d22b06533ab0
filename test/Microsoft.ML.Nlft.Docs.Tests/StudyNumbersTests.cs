namespace Microsoft.ML.Nlft.Docs;

/// <summary>The figures that docs/how-much-data.md takes from the study are those that the study's page shows.</summary>
[TestClass]
public sealed class StudyNumbersTests
{
    private const string Ours = "docs/how-much-data.md";

    [TestMethod]
    public void HowMuchData_Table_IsTheStudysLineOfNlft()
    {
        var study = Lines("docs/study.md").SkipWhile(line => line != "## Accuracy by number of rows, responses as sampled").ToList();
        var families = Lines(Ours).Where(line => line.StartsWith("| ", StringComparison.Ordinal) && line.Contains('[')).ToList();
        Assert.HasCount(5, families);
        foreach (var row in families)
        {
            var cells = row.Split('|');
            var family = study.SkipWhile(line => line != $"### {cells[1].Trim()}");
            var measured = family.First(line => line.StartsWith("| NLFT |", StringComparison.Ordinal));
            Assert.AreEqual(string.Join('|', measured.Split('|')[2..]), string.Join('|', cells[2..]), $"{Ours}: {cells[1].Trim()}");
        }
    }

    private static string[] Lines(string page) => File.ReadAllLines(Path.Combine(Pages.Root, page));
}
