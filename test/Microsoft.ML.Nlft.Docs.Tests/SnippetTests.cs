namespace Microsoft.ML.Nlft.Docs;

/// <summary>
/// What the pages show is what runs: a C# block is a region of a test in Snippets/, letter for letter; commands and files are run by the tests
/// of the command-line tool, messages by <see cref="TroubleshootingTests"/>.
/// </summary>
[TestClass]
public sealed class SnippetTests
{
    public static IEnumerable<object[]> AllPages => Pages.All.Select(page => new object[] { page });

    [TestMethod]
    [DynamicData(nameof(AllPages))]
    public void Page_CSharpBlock_IsARegionOfATest(string page)
    {
        var regions = Pages.Snippets.Select(snippet => snippet.Text).ToHashSet();
        foreach (var (_, text) in Pages.Blocks(page).Where(block => block.Language == "csharp"))
            Assert.Contains(text, regions, $"{page} shows C# that no test runs:\n{text}");
    }

    [TestMethod]
    public void Snippets_Region_IsShownOnAPage()
    {
        var shown = Pages.All.SelectMany(Pages.Blocks).Select(block => block.Text).ToHashSet();
        foreach (var (name, text) in Pages.Snippets) Assert.Contains(text, shown, $"{name} is on no page.");
    }

    [TestMethod]
    [DynamicData(nameof(AllPages))]
    public void Page_Block_NamesALanguageThatATestRuns(string page)
    {
        string[] known = ["csharp", "console", "json", "csv", "text", "mermaid"];
        foreach (var (language, text) in Pages.Blocks(page))
        {
            Assert.Contains(language, known, $"{page}:\n{text}");
            if (language == "text") Assert.AreEqual("docs/troubleshooting.md", page, "messages stand where a test produces them");
        }
        foreach (var line in File.ReadLines(Path.Combine(Pages.Root, page)))
            Assert.DoesNotStartWith("    nlft ", line, $"{page}: commands of nlft stand in a console block, which is run.");
    }
}
