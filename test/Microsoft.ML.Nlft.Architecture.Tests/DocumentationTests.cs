using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The pages of the repository do not point into the void.</summary>
[TestClass]
public sealed partial class DocumentationTests
{
    private static readonly Lazy<string[]> s_tests =
        new(() => [.. Repository.Files("*.cs", "test").Select(file => File.ReadAllText(Repository.PathOf(file)))]);

    public static IEnumerable<object[]> Pages => Repository.Files("*.md").Select(page => new object[] { page });

    [TestMethod]
    [DynamicData(nameof(Pages))]
    public void Page_RelativeLinks_LeadToFiles(string page)
    {
        var folder = Path.GetDirectoryName(Repository.PathOf(page))!;
        var links = Link().Matches(File.ReadAllText(Repository.PathOf(page))).Select(match => match.Groups[1].Value)
            .Where(link => !link.Contains(':') && !link.StartsWith('#'));
        Expect.Nothing(links.Where(link => !Path.Exists(Path.Combine(folder, link.Split('#')[0]))), $"Links of {page} that lead nowhere:");
    }

    [TestMethod]
    [DynamicData(nameof(Pages))]
    public void Page_NamedTests_Exist(string page)
    {
        var named = Filter().Matches(File.ReadAllText(Repository.PathOf(page))).Select(match => match.Groups[1].Value);
        Expect.Nothing(named.Where(name => !s_tests.Value.Any(text => Regex.IsMatch(text, $@"\b(class|void|Task) \w*{name}"))),
            $"Tests that {page} names and that are not there:");
    }

    [TestMethod]
    public void SiteContents_Pages_AreAllListedOnce()
    {
        var listed = File.ReadLines(Repository.PathOf("eng", "site", "docs", "toc.yml")).Select(line => line.Trim())
            .Where(line => line.StartsWith("href: ", StringComparison.Ordinal)).Select(line => line["href: ".Length..]).ToList();
        var pages = Directory.GetFiles(Repository.PathOf("docs"), "*.md").Select(page => Path.GetFileName(page)).ToList();
        CollectionAssert.AreEquivalent(pages, listed, "Each page of docs/ stands once in eng/site/docs/toc.yml.");
    }

    /// <summary>The class or method, or a part of its name, in <c>./build.sh test --filter NAME</c>.</summary>
    [GeneratedRegex(@"build\.sh test --filter (\w+)(?![\w=~])")]
    private static partial Regex Filter();

    /// <summary>The target of <c>[text](target)</c>.</summary>
    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
