using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// A model folder's chat template: the Jinja text that turns messages into a prompt. It is rendered as Hugging Face does (trim_blocks,
/// lstrip_blocks, loop controls, the generation tag, tojson, raise_exception, strftime_now); rendered text already holds the
/// beginning-of-sequence token, so it is tokenized without adding special tokens. Safe for use from many threads.
/// </summary>
public sealed class ChatTemplate
{
    private const string Correct = "Correct the file.";
    private const string TemplateFile = "chat_template.jinja", ConfigurationFile = "tokenizer_config.json";

    private readonly Template _template;

    private ChatTemplate(string source, string name, IReadOnlyDictionary<string, string> specialTokens, ChatTemplateOptions? options)
    {
        (Source, SpecialTokens) = (source, specialTokens);
        _template = new Template(source, name, (options ?? new()).Validated());
    }

    /// <summary>The template as written.</summary>
    public string Source { get; }

    /// <summary>bos_token, eos_token, pad_token and unk_token as the template sees them; those that the folder does not name are absent.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; }

    /// <summary>
    /// The folder's own template, or null when it has none: <c>chat_template.jinja</c>, else "chat_template" of
    /// <c>tokenizer_config.json</c> (a text, or a list of which "default" is taken).
    /// </summary>
    /// <param name="modelFolder">Model folder in Hugging Face layout.</param>
    /// <param name="options">Clock and limits.</param>
    /// <exception cref="NlftException">A file cannot be read, or the template goes beyond the supported part of Jinja.</exception>
    public static ChatTemplate? Load(string modelFolder, ChatTemplateOptions? options = null)
    {
        var (templatePath, configurationPath) = (Path.Combine(modelFolder, TemplateFile), Path.Combine(modelFolder, ConfigurationFile));
        JsonPlace? configuration = File.Exists(configurationPath)
            ? JsonFile.Load(new(configurationPath) { FileRemedy = "Download the file again.", ValueRemedy = Correct }) : null;
        var tokens = configuration is { } given ? ReadSpecialTokens(given) : [];
        if (File.Exists(templatePath)) return new ChatTemplate(ReadText(templatePath), templatePath, tokens, options);
        return configuration?["chat_template"] is { } place && ReadTemplate(place) is { } source ? new ChatTemplate(source, place.Subject, tokens, options) : null;
    }

    /// <summary>A template from its text.</summary>
    /// <param name="source">The Jinja text.</param>
    /// <param name="name">How messages name it, for example a path.</param>
    /// <param name="specialTokens">bos_token, eos_token, pad_token, unk_token and whatever else the template reads as variables.</param>
    /// <param name="options">Clock and limits.</param>
    /// <exception cref="NlftException">The template goes beyond the supported part of Jinja: names line, column and construct.</exception>
    public static ChatTemplate Parse(
        string source,
        string name = "chat template",
        IReadOnlyDictionary<string, string>? specialTokens = null,
        ChatTemplateOptions? options = null) => new(source, name, specialTokens ?? new Dictionary<string, string>(), options);

    /// <summary>Renders messages to prompt text.</summary>
    /// <param name="messages">The conversation in order.</param>
    /// <param name="addGenerationPrompt">Whether the text ends where the assistant's answer begins.</param>
    /// <param name="variables">
    /// More variables of the template (tools, enable_thinking, date_string, ...), also in place of messages: null, booleans, numbers,
    /// strings, <see cref="JsonElement"/>, dictionaries and sequences. tools and documents are none unless given.
    /// </param>
    /// <exception cref="NlftException">
    /// The template refuses the messages (with its own words), goes beyond a limit, or uses what is not supported: names line, column and construct.
    /// </exception>
    public string Render(IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?>? variables = null)
    {
        var all = new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["messages"] = messages,
            ["tools"] = null,
            ["documents"] = null,
            ["add_generation_prompt"] = addGenerationPrompt,
        };
        foreach (var (name, value) in SpecialTokens) all[name] = value;
        foreach (var (name, value) in variables ?? new Dictionary<string, object?>()) all[name] = value;
        return _template.Render(all);
    }

    private static string? ReadTemplate(JsonPlace place)
    {
        switch (place.Value.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                return null;
            case JsonValueKind.String:
                return place.String();
            case JsonValueKind.Array:
                var names = new List<string>();
                foreach (var item in place.Value.EnumerateArray())
                {
                    if (item.ValueKind != JsonValueKind.Object || Text(item, "name") is not { } title || Text(item, "template") is not { } template)
                    {
                        throw Wrong(place.Subject, "an entry without a name and a template", "{\"name\": ..., \"template\": ...}");
                    }

                    if (title == "default") return template;
                    names.Add(title);
                }

                if (names.Count == 0) return null;
                throw Wrong(place.Subject, $"the templates {string.Join(", ", names)}", "one named default");
            default:
                throw place.Refuse("a text, or a list of name and template");
        }

        static string? Text(JsonElement item, string key) =>
            item.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    private static Dictionary<string, string> ReadSpecialTokens(JsonPlace configuration)
    {
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in (string[])["bos_token", "eos_token", "pad_token", "unk_token"])
        {
            var token = configuration[name];
            if (token.IsNull) continue;
            if (token.Value.ValueKind == JsonValueKind.Object && token["content"] is { IsMissing: false } content) token = content;
            tokens[name] = token.Value.ValueKind == JsonValueKind.String ? token.String() : throw token.Refuse("a text or an object with \"content\"");
        }

        return tokens;
    }

    private static NlftException Wrong(string subject, string found, string expected) => new(subject, found, expected, Correct);

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var found = $"a file that cannot be read ({exception.Message})";
            throw new NlftException(path, found, "a readable file", "Check the path and its permissions.", exception);
        }
    }
}

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">The text.</param>
public sealed record ChatTurn(string Role, string Content);
