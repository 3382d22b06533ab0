using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// Renders a model's chat template: the Jinja text that turns messages into a prompt. Rendering follows Hugging Face (trim_blocks,
/// lstrip_blocks, loop controls, the generation tag, tojson, raise_exception, strftime_now). Rendered text already contains the
/// beginning-of-sequence token, so tokenize it without adding special tokens. Thread-safe.
/// </summary>
/// <remarks>
/// The interpreter is own code because a template comes with a downloaded model and is not trusted: a general Jinja or Liquid library bounds
/// neither its steps nor its memory, and does not print values as Python does, on which the model's prompts depend to the character.
/// </remarks>
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

    /// <summary>Gets the source of the template.</summary>
    public string Source { get; }

    /// <summary>Gets bos_token, eos_token, pad_token and unk_token as the template sees them, without those that the folder lacks.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; }

    /// <summary>
    /// Loads a model folder's template: <c>chat_template.jinja</c>, else "chat_template" of <c>tokenizer_config.json</c> (a string, or a list from
    /// which "default" is taken).
    /// </summary>
    /// <param name="modelFolder">Model folder in Hugging Face layout.</param>
    /// <param name="options">Clock and limits; null for the defaults.</param>
    /// <returns>The template, or null if the folder has none.</returns>
    /// <exception cref="NlftException">A file cannot be read, or the template uses unsupported Jinja.</exception>
    public static ChatTemplate? Load(string modelFolder, ChatTemplateOptions? options = null)
    {
        var (templatePath, configurationPath) = (Path.Combine(modelFolder, TemplateFile), Path.Combine(modelFolder, ConfigurationFile));
        JsonPlace? configuration = File.Exists(configurationPath)
            ? JsonFile.Load(new(configurationPath) { FileRemedy = "Download the file again.", ValueRemedy = Correct }) : null;
        var tokens = configuration is { } given ? ReadSpecialTokens(given) : [];
        if (File.Exists(templatePath)) return new ChatTemplate(ReadText(templatePath), templatePath, tokens, options);
        return configuration?["chat_template"] is { } place && ReadTemplate(place) is { } source
            ? new ChatTemplate(source, place.Subject, tokens, options) : null;
    }

    /// <summary>Parses a template.</summary>
    /// <param name="source">The Jinja text.</param>
    /// <param name="name">Name in messages, for example a path; default "chat template".</param>
    /// <param name="specialTokens">bos_token, eos_token, pad_token, unk_token and other string variables; default none.</param>
    /// <param name="options">Clock and limits; null for the defaults.</param>
    /// <exception cref="NlftException">The template is malformed or uses unsupported Jinja; the message names line, column and construct.</exception>
    public static ChatTemplate Parse(
        string source,
        string name = "chat template",
        IReadOnlyDictionary<string, string>? specialTokens = null,
        ChatTemplateOptions? options = null) => new(source, name, specialTokens ?? new Dictionary<string, string>(), options);

    /// <summary>Renders messages to the prompt.</summary>
    /// <param name="messages">The conversation in order.</param>
    /// <param name="addGenerationPrompt">Whether the prompt ends where the assistant's answer starts.</param>
    /// <param name="variables">
    /// Further variables (tools, enable_thinking, date_string, ...), which may also override messages: null, booleans, numbers, strings,
    /// <see cref="JsonElement"/>, dictionaries and sequences. tools and documents default to none.
    /// </param>
    /// <returns>The prompt.</returns>
    /// <exception cref="NlftException">
    /// The template rejects the messages (the exception quotes it), exceeds a limit or uses an unsupported construct. The exception names line and
    /// column.
    /// </exception>
    public string Render(IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?>? variables = null) =>
        RenderChat(messages, addGenerationPrompt, variables).Text;

    /// <summary>Whether the template marks the assistant's text with <c>{% generation %}</c>.</summary>
    internal bool MarksGeneration => _template.MarksGeneration;

    /// <summary>Renders messages of any form to the prompt, with the places of the assistant's text.</summary>
    /// <param name="messages">A sequence of <see cref="ChatTurn"/>, JSON objects or dictionaries.</param>
    /// <param name="addGenerationPrompt">As above.</param>
    /// <param name="variables">As above.</param>
    internal RenderedChat RenderChat(IEnumerable<object> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?>? variables)
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
            tokens[name] = token.Value.ValueKind == JsonValueKind.String ? token.String()
                : throw token.Refuse("a text or an object with \"content\"");
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
