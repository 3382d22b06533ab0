using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Which tokens of a conversation count where the template does not mark them, and what cannot be encoded.</summary>
[TestClass]
public sealed class ChatRowEncoderTests
{
    private const string ChatMl = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    private const string Question = """{"role": "user", "content": "Hi"}""", Answer = """{"role": "assistant", "content": "Yo"}""";

    private readonly ModelOnDisk _model = new();

    /// <summary>A tokenizer of single bytes: its tokens are the characters.</summary>
    private HuggingFaceTokenizer Tokenizer => field ??= HuggingFaceTokenizer.Load(_model.Folder);

    [TestCleanup]
    public void Clean() => _model.Dispose();

    [TestMethod]
    [DataRow(ChatMl, "Yo<|im_end|>")]
    [DataRow("{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
        " Yo</s>", DisplayName = "no generation prompt")]
    [DataRow("{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n"
        + "{% else %}<|endoftext|>{% endif %}", "Yo<|end|>", DisplayName = "an end of the text where no answer is asked for")]
    [DataRow("{% for m in messages %}{% if not loop.first %}<|im_end|>\n{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}<|im_end|>"
        + "{% if add_generation_prompt %}\n<assistant>{% endif %}", "Yo<|im_end|>", DisplayName = "the end of a turn before the next one")]
    [DataRow("{% macro show(m) %}<{{ m.role }}>{{ m.content|trim }}<|im_end|>{% endmacro %}{% for m in messages %}{{ show(m) }}{% endfor %}"
        + "{% if add_generation_prompt %}<assistant>{% endif %}", "Yo<|im_end|>", DisplayName = "a macro per message")]
    [DataRow("{% for m in messages[:1] %}{{ m.content }}\n{% endfor %}{% for m in messages[1:] %}<{{ m.role }}>{{ m.content }}<|im_end|>{% endfor %}"
        + "{% if add_generation_prompt %}<assistant>{% endif %}", "Yo<|im_end|>", DisplayName = "two loops")]
    [DataRow("{% for m in messages %}<{{ m.role }}>{% generation %}{{ m.content }}{% endgeneration %}<|im_end|>{% endfor %}",
        "HiYo", DisplayName = "tags are obeyed, whatever they mark")]
    public void Encode_Messages_TheAssistantsTextAndItsEndCount(string template, string counted) =>
        Assert.AreEqual(counted, Counted(template, $"[{Question}, {Answer}]"));

    [TestMethod]
    public void Encode_SeveralTurns_AllOfTheAssistantsCount() =>
        Assert.AreEqual("Yo<|im_end|>Yo<|im_end|>", Counted(ChatMl, $"[{Question}, {Answer}, {Question}, {Answer}, {Question}]"));

    [TestMethod]
    public void Encode_CallsOfTools_CountAndTheirResultsDoNot()
    {
        const string Call = """
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]}
            """;
        const string Result = """{"role": "tool", "name": "add", "content": "6"}""";
        var template = ChatMl.Replace("m.content +", "m.content + (m.tool_calls or []) | tojson +", StringComparison.Ordinal);
        Assert.AreEqual("[{\"type\": \"function\", \"function\": {\"name\": \"add\", \"arguments\": {\"a\": 1}}}]<|im_end|>Yo[]<|im_end|>",
            Counted(template, $"[{Question}, {Call}, {Result}, {Answer}]"));
    }

    [TestMethod]
    [DataRow("{{ messages[0].content }}{{ messages[1].content }}", "shows none of the 2 messages in a loop")]
    [DataRow("{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}>>{% endif %}",
        "writes an answer unlike its generation prompt")]
    [DataRow("{{ raise_exception('no tools') }}", "messages that the chat template refuses: \"no tools\"")]
    public void Encode_AssistantsTextThatCannotBeLocated_IsRefused(string template, string message) =>
        Assert.Contains(message, Assert.ThrowsExactly<NlftException>(() => Counted(template, $"[{Question}, {Answer}]")).Message);

    [TestMethod]
    [DataRow("{% for m in messages %}<{{ m.role }}>{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}")]
    [DataRow("{% for m in messages if m.role == 'assistant' %}<{{ m.role }}>{{ m.content }}{% endfor %}")]
    [DataRow("{{ messages[1].content }}")]
    [DataRow("{% for m in messages[1:] %}{{ m.content }}{% endfor %}")]
    [DataRow("{% for m in messages %}{{ m.content[1:] }}{% endfor %}")]
    [DataRow("")]
    public void Encode_TemplateThatLosesAQuestion_IsRefused(string template) =>
        Assert.Contains("messages[0]: found a user's text that the prompt of chat template lacks",
            Assert.ThrowsExactly<NlftException>(() => Counted(template, $"[{Question}, {Answer}]")).Message);

    [TestMethod]
    public void Encode_FolderWithoutATemplate_IsRefused() =>
        Assert.Contains("messages for a model folder without a chat template", Assert.ThrowsExactly<NlftException>(() =>
            new ChatRowEncoder(Tokenizer, null, new Dictionary<string, object?>(), null)
                .Encode(Row($"[{Question}, {Answer}]"), "row", new())).Message);

    /// <summary>The texts that count, put together.</summary>
    private string Counted(string template, string messages)
    {
        var encoder = new ChatRowEncoder(Tokenizer, ChatTemplate.Parse(template), new Dictionary<string, object?>(), "<|im_end|>");
        var tokens = encoder.Encode(Row(messages), "row", new ChatLoss { AssistantOnly = true });
        return Tokenizer.Decode(tokens.Ids.Where((_, t) => tokens.Counted[t]));
    }

    private static ChatRow Row(string messages) => ChatRowReader.Read(RowLayout.Of(["messages"], "rows", new()),
        new JsonFields(new JsonPlace(JsonElement.Parse($$"""{"messages": {{messages}}}"""), new JsonSource("rows, line 1")))).Chat!;
}
