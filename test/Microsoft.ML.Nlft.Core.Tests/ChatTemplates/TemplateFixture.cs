using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Renders small templates with a fixed set of variables.</summary>
internal static class TemplateFixture
{
    private const string Variables = """
        {
          "text": "Hello World", "empty": "", "nothing": null, "seven": 7, "half": 2.5, "yes": true,
          "numbers": [3, 1, 2], "words": ["b", "A", "c", "a"], "map": {"b": 1, "a": 2, "C": [1, {"x": null}]},
          "unicode": "na\u00efve \ud83d\ude42", "lines": "a\n\n b\nc",
          "turns": [{"role": "user", "content": "hi", "n": 2}, {"role": "assistant", "content": "yo", "n": 1}, {"role": "user", "content": "z"}]
        }
        """;

    public static string Render(string template, ChatTemplateOptions? options = null)
    {
        using var json = JsonDocument.Parse(Variables);
        var variables = json.RootElement.EnumerateObject().ToDictionary(variable => variable.Name, variable => (object?)variable.Value);
        return ChatTemplate.Parse(template, "t.jinja", options: options).Render([new ChatTurn("user", "Q")], addGenerationPrompt: true, variables);
    }

    public static NlftException Refuse(string template, ChatTemplateOptions? options = null) =>
        Assert.ThrowsExactly<NlftException>(() => Render(template, options));
}

/// <summary>A clock that always shows the same time, in UTC.</summary>
internal sealed class FixedTime(DateTime now) : TimeProvider
{
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => new(now, TimeSpan.Zero);
}
