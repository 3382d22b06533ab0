using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>THIRD-PARTY-NOTICES.txt of each project names what its package bundles and embeds, each with its version: no more, no less.</summary>
[TestClass]
public sealed partial class NoticeTests
{
    public static IEnumerable<object[]> Libraries => Repository.Libraries.Select(library => new object[] { library });

    [TestMethod]
    public void Tool_BundledPackages_AreNamedWithTheirVersions() =>
        CollectionAssert.AreEquivalent(Bundle.Packages.ToList(), Named("Microsoft.ML.Nlft.Tool").Where(name => !name.StartsWith("Unicode")).ToList(),
            "Compare src/Microsoft.ML.Nlft.Tool/THIRD-PARTY-NOTICES.txt with the packages; a new version may have another licence.");

    [TestMethod]
    [DataRow("Microsoft.ML.Nlft.Core")]
    [DataRow("Microsoft.ML.Nlft.Tool")]
    public void Core_EmbeddedUnicodeData_IsNamedWithItsVersion(string library)
    {
        var data = File.ReadLines(Repository.PathOf("src", "Microsoft.ML.Nlft.Core", "Tokenization", "UnicodeDecompositions.txt")).First();
        var version = UnicodeVersion().Match(data).Groups[1].Value;
        Assert.Contains($"Unicode Character Database {version}", Named(library));
    }

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void Licences_ThatNoticesName_FollowInFull(string library)
    {
        var text = Text(library);
        var licences = Licence().Matches(text).Select(match => match.Groups[1].Value).Distinct().ToList();
        var titles = Title().Matches(text).Select(match => match.Groups[1].Value).ToList();
        CollectionAssert.AreEquivalent(licences, titles, "Each licence that is named stands below once, and no other does.");
    }

    private static List<string> Named(string library) => [.. Component().Matches(Text(library)).Select(match => match.Groups[1].Value)];

    private static string Text(string library) => File.ReadAllText(Repository.PathOf("src", library, "THIRD-PARTY-NOTICES.txt"));

    /// <summary>The line that names a component: the next one, indented, names its licence.</summary>
    [GeneratedRegex(@"^(\S.*)\n {4}Licence: ", RegexOptions.Multiline)]
    private static partial Regex Component();

    [GeneratedRegex(@"Licence: (\S[^.]*)\.")]
    private static partial Regex Licence();

    /// <summary>The line under a rule: the name of the licence that follows.</summary>
    [GeneratedRegex(@"^-{20,}\n\n(.+)$", RegexOptions.Multiline)]
    private static partial Regex Title();

    [GeneratedRegex(@"Unicode Character Database (\d+\.\d+) ")]
    private static partial Regex UnicodeVersion();
}
