using System.Globalization;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>
/// Tests templates that were not used in developing the interpreter. NLFT_UNSEEN_TEMPLATES names a folder of them, written by
/// eng/chat-templates/render_cases.py in the layout of the fixtures. Prints the share that renders as Jinja does.
/// </summary>
[TestClass]
public sealed class UnseenTemplatesTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Render_UnseenTemplates_MatchJinjaOrAreRefused()
    {
        var folder = Environment.GetEnvironmentVariable("NLFT_UNSEEN_TEMPLATES");
        if (folder is null) Assert.Inconclusive("NLFT_UNSEEN_TEMPLATES names no folder.");
        var (templates, equal, cases, wrong) = (0, 0, 0, new List<string>());
        foreach (var template in Directory.GetDirectories(folder).Order(StringComparer.Ordinal))
        {
            templates++;
            try
            {
                var (count, failures) = TemplateCases.Run(template);
                cases += count;
                if (failures.Count == 0) equal++;
                wrong.AddRange(failures.Select(failure => $"{Path.GetFileName(template)}, {failure}"));
            }
            catch (NlftException refusal)
            {
                TestContext.WriteLine(refusal.Message);
                Assert.MatchesRegex(@", line \d+, column \d+$", refusal.Subject, "a refusal names the place");
            }
        }

        TestContext.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{equal} of {templates} templates ({100.0 * equal / templates:0.0} %) render as Jinja renders them, in {cases} cases."));
        Assert.IsEmpty(wrong, "Rendered, but not as Jinja does:\n" + string.Join("\n", wrong));
        Assert.IsGreaterThanOrEqualTo(0.95, (double)equal / templates);
    }
}
