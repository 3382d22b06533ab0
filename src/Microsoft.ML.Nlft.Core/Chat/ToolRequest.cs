using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Grammars;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>The tools of a request: their list for the chat template, and the form of an answer that may or must call one.</summary>
internal sealed class ToolRequest
{
    private const string UseOther = "Use a model whose template shows tools, or leave them out.";

    private readonly AIFunctionDeclaration[] _functions;
    private readonly ToolFormat _format;

    private ToolRequest(ToolFormat format, AIFunctionDeclaration[] functions) => (_format, _functions) = (format, functions);

    /// <summary>Gets the format of the calls.</summary>
    public ToolFormat Format => _format;

    /// <summary>Reads the tools of a request; null: it has none, and no message of its conversation calls one.</summary>
    /// <param name="options">The options of the request.</param>
    /// <param name="prompts">Has the model's chat template.</param>
    /// <param name="hasCalls">Whether a message of the conversation has calls or their results.</param>
    /// <exception cref="NlftException">A tool is no function, the mode does not fit, or the model's template knows no tools.</exception>
    public static ToolRequest? Of(ChatOptions? options, PromptEncoder prompts, bool hasCalls)
    {
        IList<AITool> tools = options?.ToolMode is NoneChatToolMode ? [] : options?.Tools ?? [];
        if (tools.FirstOrDefault(tool => tool is not AIFunctionDeclaration) is { } other)
            throw Refuse("Tools", $"a {other.GetType().Name}", "functions", "Leave it out: only functions are called here.");
        if (options?.ToolMode is RequiredChatToolMode { RequiredFunctionName: var name }
            && (tools.Count == 0 || (name is not null && tools.All(tool => tool.Name != name))))
        {
            throw Refuse("ToolMode", name is null ? "RequireAny" : $"RequireSpecific(\"{name}\")",
                name is null ? "one tool or more to call" : "the name of one of the tools",
                "Add the tool to ChatOptions.Tools, or leave the mode out.");
        }
        if (tools.Count == 0 && !hasCalls) return null;
        var format = ToolFormat.Of(prompts.Template) ?? throw (tools.Count > 0
            ? Refuse("Tools", "a model whose chat template shows no tools, or in a format that is not known",
                "the format of Hermes and Qwen, of Llama 3.1 or of Mistral", UseOther)
            : new NlftException("the conversation", "calls of tools for a model whose chat template shows none",
                "the format of Hermes and Qwen, of Llama 3.1 or of Mistral", UseOther));
        return new ToolRequest(format, [.. tools.Cast<AIFunctionDeclaration>()]);
    }

    /// <summary>Returns the list for the chat template, as Hugging Face and OpenAI write it; null: no tools.</summary>
    public JsonElement? List() => _functions.Length == 0 ? null : JsonElement.Parse(new JsonArray([.. _functions.Select(function => new JsonObject
    {
        ["type"] = "function",
        ["function"] = new JsonObject
        {
            ["name"] = function.Name,
            ["description"] = function.Description,
            ["parameters"] = JsonNode.Parse(function.JsonSchema.GetRawText()),
        },
    })]).ToJsonString());

    /// <summary>Returns the form of the answer: a call if one is required, a call or JSON if a schema is given, else free.</summary>
    /// <param name="mode">Whether a call is required.</param>
    /// <param name="schema">The schema of an answer without calls; null: it is free.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    public AnswerForm Form(ChatToolMode? mode, JsonElement? schema, HuggingFaceTokenizer tokenizer)
    {
        var tokens = _format.TokensOf(tokenizer.SpecialTokens);
        var required = mode as RequiredChatToolMode;
        if (_functions.Length == 0 || (required is null && schema is null)) return new AnswerForm("", null, tokens);
        var functions = _functions.Where(function => required?.RequiredFunctionName is not { } name || function.Name == name)
            .Select(function => (function.Name, function.JsonSchema)).ToArray();
        var key = string.Join('\n', functions.Select(function => $"{function.Name} {function.JsonSchema.GetRawText()}")
            .Prepend($"{_format.Name} {(required is null ? schema!.Value.GetRawText() : "")}"));
        return new AnswerForm(key, () => Grammar.OfCall(_format.Syntax, functions,
            required is null ? JsonSchemaReader.Read(schema!.Value, AnswerForm.SchemaOption) : null), tokens);
    }

    private static NlftException Refuse(string option, string found, string expected, string remedy) =>
        new($"option ChatOptions.{option}", found, expected, remedy);
}
