using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.ChatTemplates;

namespace Microsoft.ML.Nlft.Tests.Chat;

/// <summary>Calls are read in the form of each family; everything else stays text.</summary>
[TestClass]
public sealed class ToolFormatTests
{
    private const string Hermes = "{% if tools %}<tools></tools> <tool_call>{\"name\": n, \"arguments\": a}</tool_call>{% endif %}";
    private const string Llama = "{% if tools %}{\"name\": n, \"parameters\": d}{% endif %} ipython \"parameters\": ";
    private const string Mistral = "{% if tools %}[AVAILABLE_TOOLS]{% endif %}[TOOL_CALLS]";

    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("qwen2_5", "Hermes")]
    [DataRow("qwen3", "Hermes")]
    [DataRow("qwen3_instruct_2507", "Hermes")]
    [DataRow("smollm3", "Hermes")]
    [DataRow("llama3_1", "Llama")]
    [DataRow("llama3_2", "Llama")]
    [DataRow("llama3", null)]
    [DataRow("gemma", null)]
    [DataRow("phi3_5", null)]
    [DataRow("deepseekv3", null)]
    [DataRow("lfm2", null)]
    public void Of_PublishedTemplate_KnowsTheFamily(string name, string? format)
    {
        if (!Fixtures.Available) Assert.Inconclusive("no shared fixtures");
        var source = File.ReadAllText(Fixtures.Path_("fixtures", "chat-templates", name, "template.jinja"));
        Assert.AreEqual(format, ToolFormat.Of(ChatTemplate.Parse(source))?.Name);
    }

    [TestMethod]
    [DataRow(Hermes, "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>", "add({\"a\":1})")]
    [DataRow(Hermes, "I add.\n"
        + "<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"b\",\"arguments\":\"{}\"}</tool_call>",
        "\"I add.\n\"|add({})|b({})")]
    [DataRow(Hermes, "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": \"</tool_call>\"}}", "add({\"a\":\"</tool_call>\"})")]
    [DataRow(Hermes, "<tool_call>{\"name\": \"add\"}</tool_call> so", "\"<tool_call>{\"name\": \"add\"}</tool_call> so\"")]
    [DataRow(Hermes, "<tool_call>{\"name\": \"add\", \"arg", "\"<tool_call>{\"name\": \"add\", \"arg\"")]
    [DataRow(Hermes, "{\"name\": \"add\", \"arguments\": {}}", "\"{\"name\": \"add\", \"arguments\": {}}\"")]
    [DataRow(Hermes, "a < b", "\"a < b\"")]
    [DataRow(Hermes, " \n", "\" \n\"")]
    [DataRow(Llama, "{\"name\": \"add\", \"parameters\": {\"a\": [1, null]}}", "add({\"a\":[1, null]})")]
    [DataRow(Llama, "<|python_tag|>{\"name\": \"a\", \"parameters\": {}}; {\"name\": \"b\", \"parameters\": {}}", "a({})|b({})")]
    [DataRow(Llama, "{\"answer\": 5}", "\"{\"answer\": 5}\"")]
    [DataRow(Llama, "<|python_tag|>brave_search.call(query=\"x\")", "\"<|python_tag|>brave_search.call(query=\"x\")\"")]
    [DataRow(Llama, "Hello {\"name\": \"a\", \"parameters\": {}}", "\"Hello {\"name\": \"a\", \"parameters\": {}}\"")]
    [DataRow(Mistral, "[TOOL_CALLS] [{\"name\": \"a\", \"arguments\": {\"x\": 1}}, {\"name\": \"b\", \"arguments\": {}}]", "a({\"x\":1})|b({})")]
    [DataRow(Mistral, "[TOOL_CALLS][{\"name\": \"a\"}]", "\"[TOOL_CALLS][{\"name\": \"a\"}]\"")]
    public void Read_Answer_FindsCallsAndKeepsText(string template, string answer, string expected)
    {
        var format = ToolFormat.Of(ChatTemplate.Parse(template))!;
        Assert.AreEqual(expected, Show(format.Read(answer, () => "id")));
        for (var size = 1; size < 6; size++)
        {
            var (text, streamed) = (new ToolCallText(format, () => "id"), new List<AIContent>());
            foreach (var piece in answer.Chunk(size)) streamed.Add(new TextContent(text.Append(new string(piece))));
            streamed.AddRange(text.Finish());
            Assert.AreEqual(expected, Show(streamed), $"in pieces of {size}");
        }
    }

    [TestMethod]
    public void Append_TextBeforeACall_StreamsAtOnce()
    {
        var text = new ToolCallText(ToolFormat.Of(ChatTemplate.Parse(Hermes))!, () => "id");
        Assert.AreEqual("I add 1 ", text.Append("I add 1 <to"));
        Assert.AreEqual("<to 2 ", text.Append(" 2 <tool_call"));
        Assert.AreEqual("", text.Append(">"));
        Assert.AreEqual("", text.Append("{\"name\":\"add\",\"arguments\":{}}"));
        Assert.AreEqual("add({})", Show(text.Finish()));
    }

    /// <summary>Joins texts in quotation marks and calls.</summary>
    private static string Show(IEnumerable<AIContent> contents)
    {
        var (parts, open) = (new List<string>(), "");
        foreach (var content in contents)
        {
            if (content is TextContent { Text: var text })
            {
                open += text;
                continue;
            }
            if (open.Length > 0) parts.Add($"\"{open}\"");
            open = "";
            var call = (FunctionCallContent)content;
            Assert.AreEqual("id", call.CallId);
            var arguments = string.Join(", ",
                call.Arguments!.Select(argument => $"\"{argument.Key}\":{((JsonElement)argument.Value!).GetRawText()}"));
            parts.Add($"{call.Name}({{{arguments}}})");
        }
        if (open.Length > 0) parts.Add($"\"{open}\"");
        return string.Join('|', parts);
    }
}
