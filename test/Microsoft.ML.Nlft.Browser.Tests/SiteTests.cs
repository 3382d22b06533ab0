using System.Net;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>The site that <c>./build.sh docs</c> writes, of the libraries beside the tests.</summary>
[TestClass]
[TestCategory("Slow")]
[DoNotParallelize]
public sealed partial class SiteTests
{
    private static SiteFolder? s_site;

    [ClassInitialize]
    public static void Build(TestContext _) => s_site = new SiteFolder();

    [ClassCleanup]
    public static void Remove() => s_site?.Dispose();

    [TestMethod]
    public void Site_LinksAndPictures_LeadToPartsOfTheSite()
    {
        var pages = Directory.GetFiles(s_site!.Path, "*.html", SearchOption.AllDirectories).ToDictionary(page => page, File.ReadAllText);
        Assert.IsGreaterThan(200, pages.Count);
        var broken = from page in pages
                     from target in Target().Matches(page.Value).Select(match => WebUtility.HtmlDecode(match.Groups[1].Value)).Distinct()
                     where !Whole().IsMatch(target) && !Leads(page.Key, target, pages)
                     select $"{Path.GetRelativePath(s_site.Path, page.Key)}: {target}";
        Assert.AreEqual("", string.Join('\n', broken));
    }

    [TestMethod]
    [DataRow("index.html", "Natural Language Fine-Tuning (NLFT,")]
    [DataRow("docs/getting-started.html", "Getting started: ten minutes with your own CSV")]
    [DataRow("docs/publishing.html", "Publishing the packages")]
    [DataRow("docs/architecture.html", "class=\"lang-mermaid\"")]
    [DataRow("api/Microsoft.ML.Nlft.NlftTrainers.html", "NaturalLanguageFineTune(")]
    [DataRow("api/Microsoft.ML.Nlft.LocalModel.html", "FineTune(")]
    [DataRow("api/Microsoft.ML.Nlft.TorchSharp.TorchSharpEngine.html", "class TorchSharpEngine")]
    public void Site_Page_HoldsItsText(string page, string text) =>
        Assert.Contains(text, WebUtility.HtmlDecode(File.ReadAllText(Path.Combine(s_site!.Path, page))));

    [TestMethod]
    [TestCategory("Browser")]
    public void Site_InABrowser_ShowsContentsDiagramAndReference()
    {
        using var browser = HeadlessBrowser.Start();
        Open("index.html", "site-landing");
        Assert.AreEqual(36, browser.Run("return document.getElementById('logo').clientHeight;").GetInt32());
        Open("docs/architecture.html", "site-guide", "document.querySelector('.mermaid svg, svg[id^=mermaid]') && document.querySelector('#toc a')");
        Assert.AreEqual(0, browser.Run("return document.querySelector('#projects ~ pre code').children.length;").GetInt32(), "text is not coloured");
        Open("api/Microsoft.ML.Nlft.NlftTrainers.html", "site-reference", "document.querySelector('#toc a')");
        Expect(browser.Requests().Where(url => !url.StartsWith(s_site!.Address, StringComparison.Ordinal)), "Requests beyond the site:");
        Expect(browser.Complaints(), "On the console:");

        void Open(string page, string screenshot, string ready = "document.querySelector('article h1')")
        {
            browser.Driver.Navigate().GoToUrl(s_site!.Address + page);
            browser.Until(ready);
            browser.Draw();
            browser.Screenshot(screenshot);
        }

        static void Expect(IEnumerable<string> offenders, string message) => Assert.AreEqual(message, string.Join('\n', offenders.Prepend(message)));
    }

    private static bool Leads(string page, string target, Dictionary<string, string> pages)
    {
        var parts = target.Split('#');
        var file = parts[0] == "" ? page : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page)!, Uri.UnescapeDataString(parts[0])));
        if (!File.Exists(file)) return false;
        return parts.Length == 1 || parts[1] == "" || !pages.TryGetValue(file, out var text)
            || text.Contains($"id=\"{parts[1]}\"", StringComparison.Ordinal) || text.Contains($"name=\"{parts[1]}\"", StringComparison.Ordinal);
    }

    [GeneratedRegex("(?:href|src)=\"([^\"]+)\"")]
    private static partial Regex Target();

    /// <summary>An address with a scheme, of another site.</summary>
    [GeneratedRegex("^([a-z]+:|//)")]
    private static partial Regex Whole();
}
