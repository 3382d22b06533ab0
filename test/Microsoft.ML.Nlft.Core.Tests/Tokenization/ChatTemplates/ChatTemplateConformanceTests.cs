using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization.ChatTemplates;

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
        var source = File.ReadAllText(Fixtures.Path_("fixtures", "chat-templates", model, "template.jinja"));
        using var cases = Fixtures.Json("fixtures", "chat-templates", model, "cases.json");
        Assert.IsGreaterThan(0, cases.RootElement.GetArrayLength(), "the folder holds no case");
        var failures = new List<string>();
        foreach (var test in cases.RootElement.EnumerateArray())
        {
            if (Failure(model, source, test) is { } failure) failures.Add($"{test.GetProperty("id")}: {failure}");
        }

        Assert.IsEmpty(failures, string.Join("\n\n", failures));
    }

    private static string? Failure(string model, string source, JsonElement test)
    {
        var tokens = test.GetProperty("special_tokens").EnumerateObject().ToDictionary(token => token.Name, token => token.Value.GetString()!);
        var now = DateTime.Parse(test.GetProperty("now").GetString()!, CultureInfo.InvariantCulture);
        var template = ChatTemplate.Parse(source, model, tokens, new ChatTemplateOptions { TimeProvider = new FixedTime(now) });
        var variables = test.GetProperty("variables").EnumerateObject().ToDictionary(variable => variable.Name, variable => (object?)variable.Value);
        variables["messages"] = test.GetProperty("messages");
        variables["tools"] = test.GetProperty("tools");
        var addGenerationPrompt = test.GetProperty("add_generation_prompt").GetBoolean();
        if (test.TryGetProperty("error", out var error))
        {
            var id = test.GetProperty("id").GetString()!;
            var exception = Assert.ThrowsExactly<NlftException>(() => template.Render([], addGenerationPrompt, variables), id);
            return exception.Message.Contains(error.GetString()!, StringComparison.Ordinal) ? null : $"{exception.Message}\n instead of \n{error}";
        }

        try
        {
            var rendered = template.Render([], addGenerationPrompt, variables);
            var expected = test.GetProperty("expected").GetString()!;
            return rendered == expected ? null : $"{JsonSerializer.Serialize(rendered)}\n instead of \n{JsonSerializer.Serialize(expected)}";
        }
        catch (NlftException exception)
        {
            return exception.Message;
        }
    }
}
