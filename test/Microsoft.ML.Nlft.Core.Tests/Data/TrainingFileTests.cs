using System.Text.Json;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>The layouts of rows to train on: how they are recognised, what they become, and what is refused.</summary>
[TestClass]
public sealed class TrainingFileTests
{
    private const string Turns = """[{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": "5"}]""";

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    [DataRow("""{"Question": "2+3?", "Response": "6", "Judgment": "no", "Answer": "5"}""", "NLFT rows", false, "2+3?", "6")]
    [DataRow("""{"question": "2+3?", "response": "5"}""", "NLFT rows", true, "2+3?", "5")]
    [DataRow("""{"question": "2+3?", "answer": "5"}""", "questions and answers", true, "2+3?", "5")]
    [DataRow("""{"prompt": "2+3=", "completion": "5"}""", "text rows: prompt and completion, without the chat template", true, "2+3=", "5")]
    [DataRow("""{"prompt": [{"role": "user", "content": "2+3?"}], "completion": [{"role": "assistant", "content": "5"}]}""",
        "chat rows: prompt and completion", true, "2+3?", "5")]
    [DataRow("""{"instruction": "2+3?", "input": "", "output": "5"}""", "instructions (alpaca)", true, "2+3?", "5")]
    [DataRow("""{"instruction": "Add.", "input": "2+3", "output": "5", "text": "whole"}""", "instructions (alpaca)", true, "2+3", "5")]
    [DataRow("""{"instruction": "2+3?", "input": "", "output": "6", "judgment": "no", "answer": "5"}""",
        "NLFT rows as published", false, "2+3?", "6")]
    [DataRow("""{"messages": """ + Turns + "}", "chat rows: messages", true, "2+3?", "5")]
    [DataRow("""{"prompt": "2+3?", "prompt_id": "x", "messages": """ + Turns + "}", "chat rows: messages", true, "2+3?", "5")]
    [DataRow("""{"id": 7, "conversations": [{"from": "human", "value": "2+3?"}, {"from": "gpt", "value": "5"}]}""",
        "chat rows: conversations (ShareGPT)", true, "2+3?", "5")]
    [DataRow("""{"text": "2+3 is 5"}""", "plain text", true, "", "2+3 is 5")]
    public void Read_Layout_IsRecognisedByItsColumns(string line, string layout, bool supervised, string question, string response)
    {
        foreach (var (name, text) in (IEnumerable<(string, string)>)[("rows.jsonl", $"{line}\n{line}\n"), ("rows.json", $"[{line},\n{line}]")])
        {
            var rows = TrainingFile.Read(_folder.Write(name, text));
            Assert.AreEqual((layout, supervised, 2), (rows.Layout, rows.IsSupervised, rows.Rows.Count), name);
            Assert.AreEqual((question, response), (rows.Rows[1].Question, rows.Rows[1].Response), name);
            Assert.HasCount(2, rows.Examples(), name);
        }
        var objects = TrainingFile.Of([(JsonElement.Parse(line), "row 1")], "the table");
        Assert.AreEqual((layout, supervised, response), (objects.Layout, objects.IsSupervised, objects.Rows[0].Response));
    }

    [TestMethod]
    [DataRow("rows.csv", ',')]
    [DataRow("rows.tsv", '\t')]
    public void Read_DelimitedFile_HasTheSameRowsAsJsonLines(string name, char delimiter)
    {
        string[] lines =
        [
            """{"messages": [{"role": "user", "content": "a, \"b\"\n"}, {"role": "assistant", "content": "c"}], "tools": [{"name": "f"}]}""",
            """{"prompt": " two words ", "completion": "x\ty"}""",
            """{"instruction": "Add.", "input": "2+3", "output": "5"}""",
            """{"question": "2+3?", "answer": "5"}""",
            """{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "r"}], "system": "Be short."}""",
        ];
        foreach (var line in lines)
        {
            var members = JsonElement.Parse(line).EnumerateObject().ToList();
            string Cell(string text) => $"\"{text.Replace("\"", "\"\"")}\"";
            var text = string.Join(delimiter, members.Select(member => member.Name)) + "\n"
                + string.Join(delimiter, members.Select(member => Cell(member.Value.ToString())));
            var (fromCells, fromJson) = (TrainingFile.Read(_folder.Write(name, text)), TrainingFile.Read(_folder.Write("rows.jsonl", line)));
            Assert.AreEqual(fromJson.Layout, fromCells.Layout);
            Assert.AreEqual(Text(fromJson.Rows[0]), Text(fromCells.Rows[0]), line);
        }

        static string Text(DataRow row) => JsonSerializer.Serialize(row with { Source = "" });
    }

    [TestMethod]
    public void Read_Conversation_HasSystemRolesToolsAndReasoning()
    {
        var path = _folder.Write("rows.json", """
            [{
              "system": "Be short.", "tools": "[{\"name\": \"f\"}]", "chat_template_kwargs": {"enable_thinking": false}, "conversations": [
                {"from": "human", "value": "q"}, {"from": "gpt", "value": "r", "weight": null}, {"from": "tool", "value": "t"},
                {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "thinking": "hm"}]
            }]
            """);
        var chat = TrainingFile.Read(path).Rows[0].Chat!;
        CollectionAssert.AreEqual(new[] { "system", "user", "assistant", "tool", "assistant" }, chat.Messages.Select(ChatRow.RoleOf).ToArray());
        Assert.AreEqual("ab", chat.LastText("assistant"));
        Assert.AreEqual("hm", chat.Messages[^1]["reasoning_content"]!.ToString());
        Assert.IsFalse(chat.Messages[2].ContainsKey("weight"), "what is null is left out");
        Assert.AreEqual("f", chat.Tools!.Value[0].GetProperty("name").GetString());
        Assert.AreEqual("False", chat.TemplateVariables["enable_thinking"]!.ToString());
    }

    [TestMethod]
    public void Read_FunctionCall_IsATurnOfTheAssistant()
    {
        var path = _folder.Write("rows.jsonl", """
            {"conversations": [{"from": "human", "value": "5?"}, {"from": "function_call", "value": "{\"name\": \"add\", \"arguments\": {\"a\": 1}}"},
            """.TrimEnd() + """ {"from": "observation", "value": "6"}, {"from": "gpt", "value": "It is 6."}]}""");
        var chat = TrainingFile.Read(path).Rows[0].Chat!;
        CollectionAssert.AreEqual(new[] { "user", "assistant", "tool", "assistant" }, chat.Messages.Select(ChatRow.RoleOf).ToArray());
        var call = ((JsonElement)chat.Messages[1]["tool_calls"]!)[0];
        Assert.AreEqual("function", call.GetProperty("type").GetString());
        Assert.AreEqual("{\"name\":\"add\",\"arguments\":{\"a\":1}}", call.GetProperty("function").GetRawText());
        Assert.AreEqual("", ChatRow.ContentOf(chat.Messages[1]));
    }

    [TestMethod]
    [DataRow("""{"chosen": "a", "rejected": "b"}""",
        "found the columns \"chosen\", \"rejected\"; expected the columns of one layout: Question, Response")]
    [DataRow("""{"text": "a", "label": "b"}""", "found the columns \"text\", \"label\"; expected")]
    [DataRow("""{"messages": [], "prompt": "a", "completion": "b"}""", "which are chat rows: messages and prompts and completions; expected")]
    [DataRow("""{"question": "a", "answer": "b", "messages": []}""", "which are questions and answers and chat rows: messages; expected")]
    [DataRow("""{"messages": []}""", "line 1, \"messages\": found an empty list; expected one message or more")]
    [DataRow("""{"messages": null}""", "line 1, \"messages\": found nothing; expected a list of messages")]
    [DataRow("""{"messages": "hello"}""", "line 1, \"messages\": found the text \"hello\"; expected a list of messages")]
    [DataRow("""{"messages": ["a"]}""", "line 1, \"messages\", message 1: found string; expected an object with a role and a content")]
    [DataRow("""{"messages": [{"content": "a"}]}""", "line 1, \"messages\", message 1, \"role\": found no text; expected a role")]
    [DataRow("""{"messages": [{"role": "user", "content": "a"}]}""", "line 1: found a conversation without a turn of the assistant")]
    [DataRow("""{"messages": [{"role": "user", "content": null}]}""", "line 1, \"messages\", message 1: found a message without content")]
    [DataRow("""{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}""", "found a part that is not text; expected text parts alone")]
    [DataRow("""{"conversations": [{"from": "function_call", "value": "add"}]}""",
        "message 1, \"value\": found no call of a function; expected {\"name\": ..., \"arguments\": {...}} as JSON, or a list of them")]
    [DataRow("""{"conversations": [{"from": "robot", "value": "a"}]}""", "message 1, \"from\": found \"robot\"; expected one of human, user, gpt")]
    [DataRow("""{"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]}""", "found messages after a prompt that is text")]
    [DataRow("""{"prompt": [{"role": "user", "content": "b"}], "completion": "a"}""", "found text after a prompt of messages")]
    [DataRow("""{"messages": [{"role": "assistant", "content": "a"}], "tools": "f"}""", "\"tools\": found the text \"f\"; expected a list of tools")]
    [DataRow("""{"messages": [{"role": "assistant", "content": "a"}], "chat_template_kwargs": [1]}""", "expected an object with variables")]
    public void Read_UnusableRow_IsRefusedByName(string line, string message) =>
        Assert.Contains(message, _folder.Refusal(() => TrainingFile.Read(_folder.Write("rows.jsonl", line))));

    [TestMethod]
    [DataRow("""{"question": "a", "response": "r", "judgment": "no"}""", "line 1, \"Answer\": found no such property")]
    [DataRow("""{"question": "a", "response": "r", "answer": "b"}""" + "\n" + """{"question": "a", "response": "r"}""",
        "line 2, \"Answer\": found no such property")]
    [DataRow("""{"question": "a"}""", "line 1, \"Response\": found no such property")]
    public void Read_RowsThatMissAText_AreRefusedAndNeverTakenForAnotherLayout(string lines, string message) =>
        Assert.Contains(message, _folder.Refusal(() => TrainingFile.Read(_folder.Write("rows.jsonl", lines))));

    [TestMethod]
    [DataRow("""{"question": "a", "answer": "b"}""" + "\n" + """{"question": "a", "response": "wrong", "judgment": "no", "answer": "b"}""", 1)]
    [DataRow("""{"question": "a", "answer": "b"}""" + "\n" + """{"question": "a"}""", 2)]
    public void Read_OneRowWithoutAResponse_IsLeftToTheRunThatCountsIt(string lines, int line) => Assert.AreEqual($"rows.jsonl, line {line}",
        Path.GetFileName(DataReport.Of(TrainingFile.Read(_folder.Write("rows.jsonl", lines)).Examples()).EmptyResponses.Single()));

    [TestMethod]
    [DataRow("""{"messages": """ + Turns + "}", "found chat rows: messages, which have no judged responses")]
    [DataRow("""{"prompt": "a", "completion": "b"}""", "found prompts and completions, which have no judged responses")]
    [DataRow("""{"text": "a"}""", "found plain text, which have no judged responses")]
    [DataRow("""{"question": "a", "answer": "b"}""", "line 1, \"Response\": found no such property")]
    [DataRow("""{"instruction": "a", "output": "b"}""", "line 1, \"answer\": found no such property")]
    public void Read_RowsWithoutJudgedResponsesForNaturalLanguageFineTuning_AreRefused(string line, string message) =>
        Assert.Contains(message, _folder.Refusal(() => TrainingFile.Read(_folder.Write("rows.jsonl", line), supervised: false)));

    [TestMethod]
    public void Read_NamedColumns_AreOfNlftRows()
    {
        var path = _folder.Write("rows.jsonl", """{"prompt": "q", "completion": "r", "messages": [], "gold": "a"}""");
        var rows = TrainingFile.Read(path, columns: new() { Question = "prompt", Response = "completion", Answer = "gold" });
        Assert.AreEqual(("NLFT rows", "q", "r", "a"), (rows.Layout, rows.Rows[0].Question, rows.Rows[0].Response, rows.Rows[0].Answer));
    }

    [TestMethod]
    public void Read_OtherDelimiter_IsNamed() =>
        Assert.Contains("Name the delimiter ; (nlft: --delimiter \";\").",
            _folder.Refusal(() => TrainingFile.Read(_folder.Write("r.csv", "prompt;completion\na;b\n"))));
}
