namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Compares the templates of real models with Jinja's recorded output, character by character.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class ChatTemplateConformanceTests
{
    public static IEnumerable<object[]> Models => Fixtures.Folders("fixtures", "chat-templates");

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void Render_EveryRecordedCase_MatchesJinja(string model)
    {
        var (cases, failures) = TemplateCases.Run(Fixtures.Path_("fixtures", "chat-templates", model));
        Assert.IsGreaterThan(0, cases, "the folder holds no case");
        Assert.IsEmpty(failures, string.Join("\n\n", failures));
    }
}
