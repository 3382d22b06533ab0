using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.ChatTemplates;
using static Microsoft.ML.Nlft.Tests.Reliability.Growth.GrowthCase;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>Answers with many calls of tools, well-formed or not, whole and in pieces.</summary>
internal static class ToolGrowth
{
    private const string Hermes = "{% if tools %}<tool_call> arguments{% endif %}", Mistral = "{% if tools %}[TOOL_CALLS]{% endif %}",
        Llama = "{% if tools %}\"parameters\": ipython{% endif %}";

    private static readonly (string Template, string Unit)[] s_answers =
    [
        (Hermes, "<tool_call>"), (Hermes, "<tool_call>{\"name\": \"a\", \"arguments\": {}}</tool_call>"), (Hermes, "<tool_call>\""),
        (Hermes, "<tool_call>[1,"), (Hermes, "<tool_call>{\"a\": \"b\"} "), (Hermes, "<tool_call>7"), (Hermes, "<"),
        (Mistral, "[TOOL_CALLS]"), (Mistral, "[TOOL_CALLS][{\"name\": \"a\", \"arguments\": {}}]"),
        (Mistral, "[TOOL_CALLS][{\"a\": \"\u00e9\"}, "),
        (Llama, "{"), (Llama, "{\"name\": \"a\", \"parameters\": {}};"), (Llama, "<|python_tag|>"),
    ];

    public static IReadOnlyList<GrowthCase> All { get; } =
    [
        .. s_answers.Select(answer => new GrowthCase($"an answer of {answer.Unit}", (_, n) =>
        {
            var (format, text) = (ToolFormat.Of(ChatTemplate.Parse(answer.Template))!, Repeat(answer.Unit, n));
            return () => format.Read(text, () => "id");
        })),
        .. s_answers.Select(answer => new GrowthCase($"pieces of {answer.Unit}", (_, n) =>
        {
            var format = ToolFormat.Of(ChatTemplate.Parse(answer.Template))!;
            return () =>
            {
                var text = new ToolCallText(format, () => "id");
                foreach (var _ in Numbers(n)) text.Append(answer.Unit);
                return text.Finish();
            };
        })),
    ];
}
