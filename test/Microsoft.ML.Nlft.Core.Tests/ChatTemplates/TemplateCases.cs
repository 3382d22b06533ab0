using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Runs the cases of a folder with a template and cases.json: Jinja's recorded output or error.</summary>
internal static class TemplateCases
{
    /// <summary>Runs all cases of a folder.</summary>
    /// <returns>The number of cases and the differences from Jinja.</returns>
    public static (int Count, IReadOnlyList<string> Failures) Run(string folder)
    {
        var source = File.ReadAllText(Path.Combine(folder, "template.jinja"));
        using var cases = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "cases.json")));
        var model = Path.GetFileName(folder);
        var failures = cases.RootElement.EnumerateArray().Select(test => (Id: test.GetProperty("id"), Failure: Failure(model, source, test)))
            .Where(test => test.Failure is not null).Select(test => $"{test.Id}: {test.Failure}").ToArray();
        return (cases.RootElement.GetArrayLength(), failures);
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
