using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tests.ChatTemplates;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>
/// Compares chat rows with transformers (ids, assistant masks) and TRL (which tokens are trained), for every row of golden/chat-rows.
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class ChatRowConformanceTests
{
    private const string GenerationPrompt = "<|im_start|>assistant\n<think>\n\n</think>\n\n";

    private static readonly Lazy<HuggingFaceTokenizer> s_tokenizer =
        new(() => HuggingFaceTokenizer.Load(Fixtures.Path_("models", "smollm2-135m-instruct")));

    public static IEnumerable<object[]> Sets => Fixtures.Folders("golden", "chat-rows");

    [TestMethod]
    [DynamicData(nameof(Sets))]
    public void Encode_ChatsOfTransformers_IdsAndAssistantMasksAgree(string set)
    {
        var golden = Golden(set);
        if (!golden.TryGetProperty("chats", out var chats)) return; // plain
        var template = TemplateOf(set, golden)!;
        foreach (var chat in chats.EnumerateArray())
        {
            var name = $"{set}, {chat.GetProperty("id").GetString()}, {chat.GetProperty("variables")}";
            var row = ReadChat(chat);
            var encoder = new ChatRowEncoder(s_tokenizer.Value, template, new Dictionary<string, object?>(), "<|im_end|>");
            if (Refused(chat, name, () => encoder.Encode(row, name, new ChatLoss { AssistantOnly = true }))) continue;
            var variables = new Dictionary<string, object?>(row.TemplateVariables) { ["tools"] = row.Tools };
            var rendered = template.RenderChat(row.Messages, addGenerationPrompt: false, variables);
            Assert.AreEqual(chat.GetProperty("rendered").GetString(), rendered.Text, name);
            Assert.AreEqual(chat.GetProperty("generation_spans").ToString(),
                JsonSerializer.Serialize(rendered.Generations.Select(span =>
                    new[] { Points(rendered.Text, span.Start), Points(rendered.Text, span.End) })), name);
            var tokens = encoder.Encode(row, name, new ChatLoss { AssistantOnly = true });
            CollectionAssert.AreEqual(Ints(chat, "ids"), tokens.Ids, name);
            CollectionAssert.AreEqual(Ints(chat, "assistant_mask"), Flags(tokens), name);
        }
    }

    /// <summary>
    /// The same templates without their generation tags: the place of each message in the output gives the same mask, but for white space after a
    /// turn, and for the generation prompt where a template marks that, too.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Sets))]
    public void Encode_TemplatesWithoutTheirTags_TheAssistantsTextCounts(string set)
    {
        var golden = Golden(set);
        if (!golden.TryGetProperty("chats", out var chats)) return; // plain
        var plain = Regex.Replace(TemplateOf(set, golden)!.Source, @"\{%(-?)\s*(end|)generation\s*(-?)%\}",
            tag => $"{{%{tag.Groups[1]} {(tag.Groups[2].Length > 0 ? "endif" : "if true")} {tag.Groups[3]}%}}");
        var encoder = new ChatRowEncoder(s_tokenizer.Value, TemplateOf(set, golden, plain), new Dictionary<string, object?>(), "<|im_end|>");
        foreach (var chat in chats.EnumerateArray().Where(chat => !chat.TryGetProperty("template_error", out _)))
        {
            var name = $"{set}, {chat.GetProperty("id").GetString()}, {chat.GetProperty("variables")}";
            var tokens = encoder.Encode(ReadChat(chat), name, new ChatLoss { AssistantOnly = true });
            var marked = Ints(chat, "assistant_mask");
            CollectionAssert.AreEqual(Ints(chat, "ids"), tokens.Ids, name);
            for (var t = 0; t < marked.Length; t++)
            {
                if (tokens.Counted[t]) Assert.AreEqual(1, marked[t], $"{name}, token {t}: it is not the assistant's");
                else if (marked[t] == 1) Assert.Contains(s_tokenizer.Value.Decode([tokens.Ids[t]]).Trim(), GenerationPrompt, $"{name}, token {t}");
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Sets))]
    public void Encode_RowsOfTrl_TrainedTokensAgree(string set)
    {
        var golden = Golden(set);
        var encoder = new ChatRowEncoder(s_tokenizer.Value, TemplateOf(set, golden), new Dictionary<string, object?>(), "<|im_end|>");
        foreach (var sample in golden.GetProperty("sft").EnumerateArray())
        {
            var settings = sample.GetProperty("settings");
            var name = $"{set}, {sample.GetProperty("id").GetString()}, {settings}";
            bool Is(string setting, bool ifMissing) => settings.TryGetProperty(setting, out var value) ? value.GetBoolean() : ifMissing;
            var row = Read(sample.GetProperty("row"));
            var loss = new ChatLoss { CompletionOnly = Is("completion_only_loss", true), AssistantOnly = Is("assistant_only_loss", false) };
            if (Refused(sample, name, () => encoder.Encode(row, name, loss))) continue;
            var tokens = encoder.Encode(row, name, loss);
            if (settings.TryGetProperty("max_length", out var length))
                tokens = tokens.Cut(length.GetInt32(), settings.GetProperty("truncation_mode").GetString() == "keep_end");
            if (sample.TryGetProperty("dropped", out _))
            {
                Assert.DoesNotContain(true, tokens.Counted, name);
                continue;
            }
            CollectionAssert.AreEqual(Ints(sample, "ids"), tokens.Ids, name);
            CollectionAssert.AreEqual(Ints(sample, "trained"), Flags(tokens), name);
        }
    }

    /// <summary>Whether the libraries refuse the row; then this library must, too.</summary>
    private static bool Refused(JsonElement sample, string name, Action encode)
    {
        if (sample.TryGetProperty("template_error", out var raised))
        {
            Assert.Contains(raised.GetString()!, Assert.ThrowsExactly<NlftException>(encode, name).Message, name);
            return true;
        }
        if (!sample.TryGetProperty("error", out _)) return false;
        Assert.ThrowsExactly<NlftException>(encode, name);
        return true;
    }

    private static ChatRow ReadChat(JsonElement chat) => Read(JsonSerializer.SerializeToElement(new Dictionary<string, JsonElement>
    {
        ["messages"] = chat.GetProperty("messages"), ["tools"] = chat.GetProperty("tools"),
        ["chat_template_kwargs"] = chat.GetProperty("variables"),
    }));

    private static ChatRow Read(JsonElement row)
    {
        var layout = RowLayout.Of([.. row.EnumerateObject().Select(member => member.Name)], "rows", new());
        return ChatRowReader.Read(layout, new JsonFields(new JsonPlace(row, new JsonSource("rows, line 1")))).Chat!;
    }

    private static JsonElement Golden(string set) =>
        JsonElement.Parse(File.ReadAllBytes(Fixtures.Path_("golden", "chat-rows", set, "rows.json")));

    private static ChatTemplate? TemplateOf(string set, JsonElement golden, string? source = null)
    {
        if (!golden.TryGetProperty("template", out var named)) return null;
        var path = named.GetString()!.Contains('/', StringComparison.Ordinal) ? Fixtures.Path_(named.GetString()!.Split('/'))
            : Fixtures.Path_("golden", "chat-rows", set, named.GetString()!);
        var tokens = new Dictionary<string, string?>
        {
            ["bos_token"] = s_tokenizer.Value.BeginningOfSequenceToken, ["eos_token"] = s_tokenizer.Value.EndOfSequenceToken,
            ["pad_token"] = s_tokenizer.Value.PaddingToken, ["unk_token"] = s_tokenizer.Value.UnknownToken,
        };
        return ChatTemplate.Parse(source ?? File.ReadAllText(path), path,
            tokens.Where(token => token.Value is not null).ToDictionary(token => token.Key, token => token.Value!),
            new() { TimeProvider = new FixedTime(DayOf(golden)) });
    }

    /// <summary>The day on which the rows were made: templates with a clock wrote it into the chats. Any day where none did.</summary>
    private static DateTime DayOf(JsonElement golden)
    {
        foreach (Match date in Regex.Matches(golden.GetRawText(), @"\b\d{1,2} [A-Z][a-z]{2,8} 20\d\d\b"))
        {
            string[] formats = ["d MMMM yyyy", "d MMM yyyy"];
            if (DateTime.TryParseExact(date.Value, formats, CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)) return day;
        }
        return new(2026, 1, 1);
    }

    private static int Points(string text, Index end) => text.AsSpan(0, end.GetOffset(text.Length)).ToString().EnumerateRunes().Count();

    private static int[] Ints(JsonElement sample, string name) => [.. sample.GetProperty(name).EnumerateArray().Select(value => value.GetInt32())];

    private static int[] Flags(ChatTokens tokens) => [.. tokens.Counted.Select(counted => counted ? 1 : 0)];
}
