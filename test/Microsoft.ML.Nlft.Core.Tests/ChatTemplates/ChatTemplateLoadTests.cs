using Microsoft.ML.Nlft.ChatTemplates;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Tests where a folder's template is loaded from.</summary>
[TestClass]
public sealed class ChatTemplateLoadTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nlft-template-").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Load_FolderWithoutTemplate_ReturnsNull()
    {
        Assert.IsNull(ChatTemplate.Load(_folder));
        Write("tokenizer_config.json", """{"bos_token": "<s>"}""");
        Assert.IsNull(ChatTemplate.Load(_folder));
        Write("tokenizer_config.json", """{"chat_template": null}""");
        Assert.IsNull(ChatTemplate.Load(_folder));
    }

    [TestMethod]
    public void Load_JinjaFile_TakesPrecedenceOverTheConfiguration()
    {
        Write("tokenizer_config.json", """{"chat_template": "no", "bos_token": "<s>"}""");
        Write("chat_template.jinja", "{{ bos_token }}file\n");
        Assert.AreEqual("<s>file", Render());
    }

    [TestMethod]
    public void Load_TemplateText_SeesSpecialTokensAsTextsOrObjects()
    {
        Write("tokenizer_config.json", """
            {"chat_template": "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ unk_token is defined }}{{ messages[0].content }}",
             "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null}
            """);
        Assert.AreEqual("<s></s>FalseFalsehi", Render());
    }

    [TestMethod]
    public void Load_ListOfTemplates_TakesTheDefault()
    {
        Write("tokenizer_config.json", """{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}""");
        Assert.AreEqual("d", Render());
    }

    [TestMethod]
    [DataRow("""{"chat_template": [{"name": "rag", "template": "t"}]}""", "found the templates rag; expected one named default")]
    [DataRow("""{"chat_template": [{"name": "rag"}]}""", "found an entry without a name and a template")]
    [DataRow("""{"chat_template": 3}""", "found a JSON Number; expected a text, or a list of name and template")]
    [DataRow("""{"chat_template": "{{", "bos_token": 1}""", "\"bos_token\": found a JSON Number")]
    [DataRow("""{"chat_template": "a\n{{"}""", "\"chat_template\", line 2, column 1: found a tag that does not end")]
    [DataRow("""[1]""", "found a JSON Array; expected a JSON object")]
    [DataRow("""{""", "found no valid JSON")]
    public void Load_InvalidConfiguration_NamesTheFileAndTheKey(string configuration, string message)
    {
        Write("tokenizer_config.json", configuration);
        var exception = Assert.ThrowsExactly<NlftException>(() => ChatTemplate.Load(_folder));
        StringAssert.StartsWith(exception.Message, Path.Combine(_folder, "tokenizer_config.json"));
        StringAssert.Contains(exception.Message, message);
    }

    [TestMethod]
    public void Render_Variables_ReplaceTheDefaults()
    {
        var template = ChatTemplate.Parse("{{ tools|tojson }}{{ x }}{{ add_generation_prompt }}");
        object?[] tools = [1, 2.5, "a", null, new Dictionary<string, object?> { ["k"] = true }];
        var variables = new Dictionary<string, object?> { ["tools"] = tools, ["x"] = 3 };
        Assert.AreEqual("""[1, 2.5, "a", null, {"k": true}]3False""", template.Render([], addGenerationPrompt: false, variables));
    }

    [TestMethod]
    public void Render_UnsupportedVariable_IsNamed()
    {
        var variables = new Dictionary<string, object?> { ["when"] = DateTime.UnixEpoch };
        var exception = Assert.ThrowsExactly<NlftException>(() => ChatTemplate.Parse("x").Render([], false, variables));
        StringAssert.StartsWith(exception.Message, "variable when of the chat template: found System.DateTime");
    }

    private void Write(string file, string text) => File.WriteAllText(Path.Combine(_folder, file), text);

    private string Render() => ChatTemplate.Load(_folder)!.Render([new ChatTurn("user", "hi")], addGenerationPrompt: true);
}
