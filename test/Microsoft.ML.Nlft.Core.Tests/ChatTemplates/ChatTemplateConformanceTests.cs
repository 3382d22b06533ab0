namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Templates of real models against what Jinja itself rendered, character for character.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class ChatTemplateConformanceTests
{
    public static IEnumerable<object[]> Models => Fixtures.Folders("fixtures", "chat-templates");

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void EveryCaseRendersAsJinjaRendersIt(string model)
    {
        var (cases, failures) = TemplateCases.Run(Fixtures.Path_("fixtures", "chat-templates", model));
        Assert.IsGreaterThan(0, cases, "the folder holds no case");
        Assert.IsEmpty(failures, string.Join("\n\n", failures));
    }
}
