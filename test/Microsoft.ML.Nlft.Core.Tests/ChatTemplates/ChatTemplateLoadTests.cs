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
    [DataRow("c", "chat_template.jinja=c")]
    [DataRow("", "chat_template.jinja=")]
    [DataRow("c", "chat_template.jinja=c", "rag=r")]
    [DataRow("d", "chat_template.jinja=c", "default=d")]
    [DataRow("d", "default=d")]
    [DataRow("d", "default=d", "tool_use=t")]
    public void Load_TemplateFiles_ComeBeforeTheConfiguration(string expected, params string[] files)
    {
        Write("tokenizer_config.json", """{"chat_template": "no"}""");
        WriteTemplates(files);
        Assert.AreEqual(expected, Render());
    }

    [TestMethod]
    [DataRow("rag, tool_use", "tool_use=t", "rag=r")]
    [DataRow("rag", "rag=r")]
    public void Load_FilesWithoutADefault_DropTheConfigurationsTemplate(string names, params string[] files)
    {
        Write("tokenizer_config.json", """{"chat_template": "no"}""");
        WriteTemplates(files);
        var exception = Assert.ThrowsExactly<NlftException>(() => ChatTemplate.Load(_folder));
        Assert.AreEqual($"{Path.Combine(_folder, "additional_chat_templates")}: found the templates {names}; expected one named default. "
            + "Correct the file.", exception.Message);
    }

    [TestMethod]
    public void Render_ToolsGiven_TakesTheTemplateForTools()
    {
        WriteTemplates(["chat_template.jinja=c", "tool_use=t{{ tools|length }}"]);
        var template = ChatTemplate.Load(_folder)!;
        var tools = new Dictionary<string, object?> { ["tools"] = new[] { "x" } };
        Assert.AreEqual("t1", template.Render([], addGenerationPrompt: true, tools));
        Assert.AreEqual("c", template.Render([], addGenerationPrompt: true));
    }

    [TestMethod]
    [DataRow("a\r\n{{ '\\r\\n' }}b\r\n", "a\n\r\nb")]
    [DataRow("a\rb", "a\nb")]
    [DataRow("{{ messages[0].content }}\r\n\r\n", "h\r\ni\n")]
    public void Load_NewlinesOfATemplate_BecomeLineFeeds(string source, string expected)
    {
        var content = System.Text.Json.JsonSerializer.Serialize(source);
        Write("tokenizer_config.json", $$"""{"chat_template": {{content}}}""");
        Assert.AreEqual(expected, ChatTemplate.Load(_folder)!.Render([new ChatTurn("user", "h\r\ni")], addGenerationPrompt: true));
        Write("chat_template.jinja", source);
        Assert.AreEqual(expected, ChatTemplate.Load(_folder)!.Render([new ChatTurn("user", "h\r\ni")], addGenerationPrompt: true));
    }

    [TestMethod]
    public void Load_SpecialTokens_AreThoseOfTheTokenizer()
    {
        Write("tokenizer_config.json", """{"chat_template": "{{ bos_token }}{{ cls_token }}", "bos_token": "no"}""");
        Write("special_tokens_map.json", """{"bos_token": "<s>", "cls_token": "[CLS]"}""");
        Assert.AreEqual("<s>[CLS]", Render());
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
    [DataRow("""{"chat_template": 3}""", "found 3; expected a text, or a list of name and template")]
    [DataRow("""{"chat_template": "{{", "bos_token": 1}""", "\"bos_token\": found 1; expected a string, or an object with \"content\"")]
    [DataRow("""{"chat_template": "a\n{{"}""", "\"chat_template\", line 2, column 1: found a tag that does not end")]
    [DataRow("""[1]""", "found [1]; expected tokenizer_config.json of a model: one JSON object")]
    [DataRow("""{""", "found invalid JSON (line 1, column 2: ")]
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

    /// <summary>Writes templates given as "name=source"; a name without an extension goes into additional_chat_templates.</summary>
    private void WriteTemplates(string[] files)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "additional_chat_templates"));
        foreach (var parts in files.Select(file => file.Split('=', 2)))
        {
            Write(parts[0].Contains('.', StringComparison.Ordinal) ? parts[0] : $"additional_chat_templates/{parts[0]}.jinja", parts[1]);
        }
    }

    private void Write(string file, string text) => File.WriteAllText(Path.Combine(_folder, file), text);

    private string Render() => ChatTemplate.Load(_folder)!.Render([new ChatTurn("user", "hi")], addGenerationPrompt: true);
}
