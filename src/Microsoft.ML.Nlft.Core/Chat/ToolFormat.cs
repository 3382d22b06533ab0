using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Grammars;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>How the models of a family write calls of tools. The family is known by its chat template.</summary>
/// <param name="Name">The name of the format.</param>
/// <param name="Begins">Texts of which one begins a call.</param>
/// <param name="AnswerIsCall">Whether a call is the whole answer, rather than a part of it.</param>
/// <param name="Syntax">What stands around a name and its arguments.</param>
/// <param name="IsOf">Tells whether a template is of the family.</param>
internal sealed record ToolFormat(string Name, string[] Begins, bool AnswerIsCall, CallSyntax Syntax, Func<string, bool> IsOf)
{
    private const string TagBegin = "<tool_call>", TagEnd = "</tool_call>", Mark = "[TOOL_CALLS]", PythonTag = "<|python_tag|>";

    private static readonly ToolFormat[] s_all =
    [
        // Hermes 2 and 3, Qwen 2.5 and 3, SmolLM 3. Qwen 3 Coder has tags too, with XML inside.
        new("Hermes", [TagBegin], false, new($"{TagBegin}\n{{\"name\": \"", ", \"arguments\": ", $"}}\n{TagEnd}"),
            template => template.Contains(TagBegin) && template.Contains("arguments") && !template.Contains("<function=")),
        // Mistral up to its tokenizer v7; later ones write a name and [ARGS].
        new("Mistral", [Mark], false, new($"{Mark}[{{\"name\": \"", ", \"arguments\": ", "}]"),
            template => template.Contains(Mark) && !template.Contains("[ARGS]")),
        // Llama 3.1 to 3.3.
        new("Llama", ["{", PythonTag], true, new("{\"name\": \"", ", \"parameters\": ", "}"),
            template => template.Contains("\"parameters\": ") && template.Contains("ipython")),
    ];

    /// <summary>Finds the format of a template; null: it shows no tools, or in a format that is not known.</summary>
    public static ToolFormat? Of(ChatTemplate? template) =>
        template is { ToolSource: var source } && source.Contains("tools") ? Array.Find(s_all, format => format.IsOf(source)) : null;

    /// <summary>Returns the special tokens of a tokenizer that are part of a call.</summary>
    public IReadOnlySet<string> TokensOf(IReadOnlyDictionary<string, int> special) =>
        ((string[])[TagBegin, TagEnd, Mark, PythonTag]).Where(special.ContainsKey).ToHashSet();

    /// <summary>Reads the calls of a text. What is not the well-formed call of a function stays text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="newId">Creates the id of a call.</param>
    public List<AIContent> Read(string text, Func<string> newId)
    {
        var (contents, at, from) = (new List<AIContent>(), 0, 0);
        while (at < text.Length)
        {
            if (Calls(text, at) is not { Calls: var calls, End: var end })
            {
                at++;
                continue;
            }
            AddText(text[from..at]);
            contents.AddRange(calls.Select(call => new FunctionCallContent(newId(), call.Name, call.Arguments)));
            (at, from) = (end, end);
        }
        AddText(text[from..]);
        return contents;

        void AddText(string part)
        {
            // White space beside a call is part of its form.
            if (part.Length > 0 && (!string.IsNullOrWhiteSpace(part) || part.Length == text.Length)) contents.Add(new TextContent(part));
        }
    }

    /// <summary>Reads the calls that begin at a place; null: none do.</summary>
    private (List<(string Name, Dictionary<string, object?> Arguments)> Calls, int End)? Calls(string text, int at)
    {
        if (AnswerIsCall) return at == 0 ? WholeAnswer(text) : null;
        var begin = Begins[0];
        if (string.CompareOrdinal(text, at, begin, 0, begin.Length) != 0 || Json(text, at + begin.Length) is not { Value: var value, End: var end })
            return null;
        if (begin == TagBegin)
        {
            var tail = text.AsSpan(end).TrimStart();
            if (tail.StartsWith(TagEnd)) end = text.Length - tail.Length + TagEnd.Length;
            else if (tail.Length > 0) return null; // only the end of the answer may stand for the end of the tag
        }
        var calls = new List<(string, Dictionary<string, object?>)>();
        foreach (var item in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value])
        {
            if (Call(item) is not { } call) return null;
            calls.Add(call);
        }
        return calls.Count > 0 ? (calls, end) : null;
    }

    /// <summary>Reads an answer that consists of calls, perhaps after the tag and with semicolons between them.</summary>
    private static (List<(string Name, Dictionary<string, object?> Arguments)> Calls, int End)? WholeAnswer(string text)
    {
        var (calls, at) = (new List<(string, Dictionary<string, object?>)>(), 0);
        while (true)
        {
            while (at < text.Length && (char.IsWhiteSpace(text[at]) || (text[at] == ';' && calls.Count > 0))) at++;
            if (at == text.Length) return calls.Count > 0 ? (calls, at) : null;
            if (calls.Count == 0 && string.CompareOrdinal(text, at, PythonTag, 0, PythonTag.Length) == 0) at += PythonTag.Length;
            if (Json(text, at) is not { Value: var value, End: var end } || Call(value) is not { } call) return null;
            calls.Add(call);
            at = end;
        }
    }

    private static (string Name, Dictionary<string, object?> Arguments)? Call(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String
            || !(value.TryGetProperty("arguments", out var arguments) || value.TryGetProperty("parameters", out arguments)))
        {
            return null;
        }
        if (arguments.ValueKind == JsonValueKind.String && Json(arguments.GetString()!, 0) is { } inner) arguments = inner.Value;
        if (arguments.ValueKind != JsonValueKind.Object) return null;
        var read = new Dictionary<string, object?>();
        foreach (var argument in arguments.EnumerateObject()) read[argument.Name] = argument.Value;
        return (name.GetString()!, read);
    }

    /// <summary>Reads the JSON value at a place, after white space, in windows, because a text may hold many; null: none is there.</summary>
    private static (JsonElement Value, int End)? Json(string text, int at)
    {
        for (var length = 256; ; length *= 2)
        {
            var isRest = length >= text.Length - at;
            var bytes = Encoding.UTF8.GetBytes(isRest ? text[at..] : text.Substring(at, length));
            var reader = new Utf8JsonReader(bytes, isRest, default);
            try
            {
                if (JsonElement.TryParseValue(ref reader, out var value))
                    return (value.Value, at + Encoding.UTF8.GetCharCount(bytes.AsSpan(0, (int)reader.BytesConsumed)));
            }
            catch (JsonException)
            {
                return null;
            }
            if (isRest) return null;
        }
    }
}
