using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

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
    private const string TemplateFile = "chat_template.jinja", MoreTemplates = "additional_chat_templates";
    private const string Default = "default", ToolUse = "tool_use";

    private readonly Template _template;
    private readonly Template? _toolTemplate;

    private ChatTemplate(
        TemplateText main, TemplateText? withTools, IReadOnlyDictionary<string, string> specialTokens, ChatTemplateOptions? options)
    {
        (Source, Name, SpecialTokens) = (main.Source, main.Name, specialTokens);
        options = (options ?? new()).Validated();
        _template = new Template(main.Source, main.Name, options);
        _toolTemplate = withTools is { } tools ? new Template(tools.Source, tools.Name, options) : null;
        ToolSource = withTools?.Source ?? main.Source;
    }

    /// <summary>Gets the source of the template.</summary>
    public string Source { get; }

    /// <summary>Gets the name of the template in messages: its path, or its key in a file.</summary>
    internal string Name { get; }

    /// <summary>Gets the tokens that have a role as the template sees them: bos_token, eos_token, pad_token, unk_token and the like.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; }

    /// <summary>
    /// Loads a model folder's template as transformers does: <c>additional_chat_templates/default.jinja</c>, else <c>chat_template.jinja</c>, else,
    /// if the folder has none of these files, "chat_template" of <c>tokenizer_config.json</c>: a string, or a list from which "default" is taken. A
    /// template named "tool_use" among them is used where tools are given.
    /// </summary>
    /// <param name="modelFolder">Model folder in Hugging Face layout, or a GGUF file, whose metadata may have a template.</param>
    /// <param name="options">Clock and limits; null for the defaults.</param>
    /// <returns>The template, or null if the folder has none.</returns>
    /// <exception cref="NlftException">A file cannot be read, no template is named "default", or one uses unsupported Jinja.</exception>
    public static ChatTemplate? Load(string modelFolder, ChatTemplateOptions? options = null)
    {
        using var documents = ModelDocuments.Of(modelFolder);
        return Load(documents, TokenizerConfiguration.Read(documents), options);
    }

    /// <summary>Loads a model's template, with what its documents say of its tokenizer.</summary>
    internal static ChatTemplate? Load(ModelDocuments documents, TokenizerConfiguration configuration, ChatTemplateOptions? options = null)
    {
        var files = ReadFiles(documents.Path);
        var templates = files.Count > 0 ? files : ReadConfiguration(configuration.ChatTemplate);
        if (templates.Count == 0) return null;

        TemplateText? withTools = templates.TryGetValue(ToolUse, out var tools) ? tools : null;
        return templates.TryGetValue(Default, out var main) ? new ChatTemplate(main, withTools, configuration.Named, options)
            : throw Wrong(files.Count > 0 ? Path.Combine(documents.Path, MoreTemplates) : configuration.ChatTemplate.Subject,
                $"the templates {string.Join(", ", templates.Keys)}", $"one named {Default}");
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
        ChatTemplateOptions? options = null) => new(new(source, name), null, specialTokens ?? new Dictionary<string, string>(), options);

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

    /// <summary>Gets the source of the template that is used where tools are given.</summary>
    internal string ToolSource { get; }

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
        return (all["tools"] is null ? _template : _toolTemplate ?? _template).Render(all);
    }

    /// <summary>Reads the template files of a folder by name.</summary>
    private static SortedDictionary<string, TemplateText> ReadFiles(string modelFolder)
    {
        var templates = new SortedDictionary<string, TemplateText>(StringComparer.Ordinal);
        var (file, more) = (Path.Combine(modelFolder, TemplateFile), Path.Combine(modelFolder, MoreTemplates));
        if (File.Exists(file)) templates[Default] = new(ReadText(file), file);
        foreach (var path in Directory.Exists(more) ? Directory.GetFiles(more, "*.jinja") : [])
        {
            templates[Path.GetFileNameWithoutExtension(path)] = new(ReadText(path), path);
        }

        return templates;
    }

    /// <summary>Reads the templates of tokenizer_config.json by name.</summary>
    private static SortedDictionary<string, TemplateText> ReadConfiguration(JsonPlace place)
    {
        var templates = new SortedDictionary<string, TemplateText>(StringComparer.Ordinal);
        if (place.IsNull) return templates;

        if (place.Value.ValueKind == JsonValueKind.String) templates[Default] = new(place.String(), place.Subject);
        foreach (var item in place.Value.ValueKind switch
        {
            JsonValueKind.String => [],
            JsonValueKind.Array => place.Items(),
            _ => throw place.Refuse("a text, or a list of name and template", Correct),
        })
        {
            if (Text(item, "name") is not { } name || Text(item, "template") is not { } template)
            {
                throw Wrong(place.Subject, "an entry without a name and a template", "{\"name\": ..., \"template\": ...}");
            }

            templates[name] = new(template, place.Subject);
        }

        return templates;

        static string? Text(JsonPlace item, string key) => item.Value.ValueKind == JsonValueKind.Object
            && item.Value.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    private static NlftException Wrong(string subject, string found, string expected) => new(subject, found, expected, Correct);

    private static string ReadText(string path) => InputFile.ReadText(path, "a chat template");

    private readonly record struct TemplateText(string Source, string Name);
}
