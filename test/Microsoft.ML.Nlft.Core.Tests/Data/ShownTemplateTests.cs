using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tests.Tokenization;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Tests templates that take contents as lists of parts, and templates that lose a text, on a tokenizer of bytes.</summary>
[TestClass]
public sealed class ShownTemplateTests
{
    private const string User = "{% for m in messages if m.role == 'user' %}";
    private const string All = "{% for m in messages %}";

    private static readonly TrainingExample Wrong = new()
    {
        Question = "What is 2+3?",
        Response = "2+3 = 6",
        Judgment = "The sum is wrong.",
        Answer = "5",
        Instruction = "Be brief.",
    };

    [TestMethod]
    [DataRow(All + "<{{ m.role }}>{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}", "<system>Be brief.<user>What is 2+3?")]
    [DataRow(All + "<{{ m.role }}>{% for part in m.content if part.type == 'text' %}{{ part['text'] }}{% endfor %}{% endfor %}",
        "<system>Be brief.<user>What is 2+3?")]
    [DataRow(All + "<{{ m.role }}>{{ m.content[0]['text'] + '' }}{% endfor %}", "<system>Be brief.<user>What is 2+3?",
        DisplayName = "an error with a text")]
    [DataRow(All + "{% if m.content is string %}{{ raise_exception('parts!') }}{% endif %}<{{ m.role }}>{{ m.content[0].text }}{% endfor %}",
        "<system>Be brief.<user>What is 2+3?", DisplayName = "refused with a text")]
    [DataRow(All + "<{{ m.role }}>{% if m.role == 'user' %}{{ m.content[0].text }}{% else %}{{ m.content | trim }}{% endif %}{% endfor %}",
        "<system>Be brief.<user>What is 2+3?", DisplayName = "parts for the user, a text for the system")]
    [DataRow(All + "<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% else %}{{ m.content[0].text }}{% endif %}{% endfor %}",
        "<system>Be brief.<user>What is 2+3?", DisplayName = "both")]
    [DataRow(User + "<user>{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}", "<user>Be brief.\n\nWhat is 2+3?",
        DisplayName = "no system text")]
    public void Encode_TemplateOfParts_ShowsTheTexts(string template, string prompt)
    {
        using var folder = Bytes();
        var (tokenizer, encoder) = Create(folder, template);

        Assert.AreEqual(prompt, tokenizer.Decode(encoder.Encode(Wrong).Prompt(PromptContexts.Base).Span, skipSpecialTokens: false));
        Assert.AreEqual(prompt, tokenizer.Decode(encoder.EncodeQuestion(Wrong.Question, Wrong.Instruction), skipSpecialTokens: false));
    }

    [TestMethod]
    public void EncodeConversation_TemplateOfParts_ShowsEveryTurn()
    {
        using var folder = Bytes();
        var (tokenizer, encoder) = Create(folder, All + "<{{ m.role }}>{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}");
        var prompt = encoder.EncodeConversation([new("user", "a"), new("assistant", "b</s>"), new("user", "</s>c")]);

        Assert.AreEqual("<user>a<assistant>b</s><user></s>c", tokenizer.Decode(prompt, skipSpecialTokens: false));
        Assert.DoesNotContain(256, prompt, "a special token in a part stays plain text");
    }

    [TestMethod]
    [DataRow("<|user|>Please answer.<|assistant|>", "the user's text")]
    [DataRow("", "the user's text", DisplayName = "an empty template")]
    [DataRow("{% for m in messages %}<{{ m.role }}>{% endfor %}", "the user's text")]
    [DataRow("{% for m in messages if m.role == 'human' %}{{ m.content }}{% endfor %}", "the user's text")]
    [DataRow("{{ messages[0].text }}", "the user's text")]
    [DataRow("{% for m in messages %}{{ m.content[:4] }}{% endfor %}", "the user's text")]
    [DataRow("{% for m in messages %}{{ m.content | length }}{% endfor %}", "the user's text")]
    [DataRow(All + "{{ m.content.split('\\n')[0] }}{% endfor %}", "the instruction")]
    [DataRow(All + "{{ m.content.split('Judgment:')[0] }}\n{% endfor %}", "the judgment")]
    [DataRow(All + "{{ m.content.split('Standard')[0] }}\n{% endfor %}", "the answer")]
    [DataRow(All + "{{ m.content.rsplit('\\n', 1)[-1] }}\n{% endfor %}", "the question")]
    [DataRow(User + "{{ m.content.split('\\n\\n')[-1] }}{% endfor %}", "the instruction", DisplayName = "the system text goes before the user's")]
    [DataRow(All + "{% if m.role == 'system' %}{{ m.content[:12] }}{% else %}{{ m.content }}{% endif %}{% endfor %}", "the instruction")]
    public void Create_TemplateThatLosesAText_IsRefusedByName(string template, string lost)
    {
        using var folder = Bytes();
        var refusal = Assert.ThrowsExactly<NlftException>(() => Create(folder, template));

        Assert.AreEqual($"{Path.Combine(folder.Path, "chat_template.jinja")}: found a chat template whose prompt lacks {lost}; "
            + "expected a template that shows every message. Use the template that was published with the model, or correct it.", refusal.Message);
    }

    [TestMethod]
    [DataRow(All + "{{ m.content[0:150] }}...{% endfor %}", "the question")]
    [DataRow(All + "{{ m.content[:150] }}{% endfor %}", "the question")]
    [DataRow(All + "{{ m.content[-150:] }}{% endfor %}", "the question")]
    [DataRow(All + "{% if m.content|length < 200 %}{{ m.content }}{% endif %}{% endfor %}", "the question")]
    [DataRow(All + "{{ m.content.split('###')[0] }}{% endfor %}", "the question")]
    public void Encode_TemplateThatLosesTheTextOfARow_IsRefused(string template, string lost)
    {
        using var folder = Bytes();
        var (_, encoder) = Create(folder, template);
        encoder.EncodeQuestion("short");
        var question = string.Concat(Enumerable.Repeat("long ", 60)) + "### end";

        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => encoder.EncodeQuestion(question)).Message, $"lacks {lost};");
        StringAssert.Contains(
            Assert.ThrowsExactly<NlftException>(() => encoder.Encode(Wrong with { Question = question })).Message, $"lacks {lost};");
    }

    [TestMethod]
    [DataRow("{{ messages[-1].content }}", 1, "user")]
    [DataRow("{{ messages[0].content }}", 2, "assistant")]
    [DataRow(User + "{{ m.content }}{% endfor %}", 2, "assistant")]
    [DataRow("{% for m in messages[-2:] %}{{ m.content }}\n{% endfor %}", 1, "user")]
    [DataRow(All + "{% if not loop.first or loop.last %}{{ m.content }}{% endif %}{% endfor %}", 1, "user")]
    public void EncodeConversation_TemplateThatLosesATurn_NamesTheMessage(string template, int message, string role)
    {
        using var folder = Bytes();
        var (_, encoder) = Create(folder, template);
        ChatTurn[] turns = [new("user", "What is 2+3?"), new("assistant", "It is 5."), new("user", "And 3+4?")];

        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => encoder.EncodeConversation(turns)).Message,
            $"found a chat template whose prompt lacks the text of message {message} ({role}) or a part of it;");
    }

    [TestMethod]
    [DataRow(All + "{{ m.content | trim }}\n{% endfor %}")]
    [DataRow(All + "{{ m.content | replace('Be', 'be') }}\n{% endfor %}")]
    [DataRow(All + "{{ m.content.replace('\\n\\n', '\\n') }}\n{% endfor %}")]
    [DataRow("{{ messages[-1].content }}\n{% if messages|length > 1 %}{{ messages[0].content }}{% endif %}", DisplayName = "another order")]
    [DataRow("{% if messages[0].role == 'system' %}{{ messages[0].content }}{% else %}{{ messages[0].content }}{% endif %}",
        DisplayName = "a system text would take the user's place")]
    public void Create_TemplateThatRewritesTexts_IsTaken(string template)
    {
        using var folder = Bytes();
        var (tokenizer, encoder) = Create(folder, template);

        StringAssert.Contains(tokenizer.Decode(encoder.Encode(Wrong).Prompt(PromptContexts.Standard).Span, skipSpecialTokens: false), "2+3?");
    }

    private static TokenizerFolder Bytes() => new TokenizerFolder()
        .Model(string.Join(' ', Enumerable.Range(0, 256).Select(b => ByteAlphabet.ToCharacter((byte)b))))
        .Set("pre_tokenizer", TokenizerFolder.Gpt2Split).Set("decoder", TokenizerFolder.Gpt2Split)
        .AddedToken(256, "</s>").File("tokenizer_config.json", """{"eos_token":"</s>"}""");

    private static (HuggingFaceTokenizer, PromptEncoder) Create(TokenizerFolder folder, string template)
    {
        folder.File("chat_template.jinja", template);
        var tokenizer = folder.Load();
        return (tokenizer, new PromptEncoder(tokenizer, ChatTemplate.Load(folder.Path), new PromptOptions(), []));
    }
}
