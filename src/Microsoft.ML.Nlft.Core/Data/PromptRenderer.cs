using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Renders a system and a user text as prompt tokens, through the folder's chat template or, without one, the plain prompt of
/// <see cref="PromptOptions"/>; encodes the responses that follow such prompts.
/// </summary>
internal sealed partial class PromptRenderer
{
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly ShownTemplate? _template;
    private readonly IReadOnlyDictionary<string, object?> _variables;
    private readonly PromptText _plain, _plainWithSystem;
    private readonly int[] _opening; // what the post-processor puts before a text without a template
    private readonly string _gap = "", _tail = ""; // white space that a template puts before the response, and after it, before its end mark
    private readonly char _last; // the last character before the response

    public PromptRenderer(HuggingFaceTokenizer tokenizer, ChatTemplate? template, PromptOptions options, int? endOfSequence)
    {
        _tokenizer = tokenizer;
        _variables = RequireVariables(options.TemplateVariables, "option PromptOptions.TemplateVariables");
        _plain = new PromptText(nameof(options.PlainPrompt), options.PlainPrompt, ["user"], "user");
        _plainWithSystem = new PromptText(nameof(options.PlainPromptWithSystem), options.PlainPromptWithSystem, ["system", "user"], "system", "user");
        if (template is null)
        {
            (_opening, _last) = (Opening(), options.PlainPrompt[^1]);
        }
        else
        {
            _opening = [];
            _template = new ShownTemplate(template, _variables);
            var prompt = _template.Render([new("user", "?")], addGenerationPrompt: true, _variables);
            var whole = _template.Render([new("user", "?"), new("assistant", ShownTemplate.Letters)], addGenerationPrompt: false, _variables);
            var response = whole.LastIndexOf(ShownTemplate.Letters, StringComparison.Ordinal);
            if (response >= prompt.Length && whole.StartsWith(prompt, StringComparison.Ordinal))
            {
                // Only white space is a gap. The model writes anything else itself (Qwen3's empty thoughts), so its response may contain it.
                var gap = whole[prompt.Length..response];
                _gap = string.IsNullOrWhiteSpace(gap) ? gap : "";
            }
            _last = prompt.Length > 0 ? prompt[^1] : '\n';
            if (response >= 0)
            {
                var tail = whole[(response + ShownTemplate.Letters.Length)..];
                var mark = tail.TrimStart();
                if (FirstSpecial(tail) is { } directly) endOfSequence = directly;
                else if (FirstSpecial(mark) is { } later) (endOfSequence, _tail) = (later, tail[..^mark.Length]); // on a line of its own
            }
        }
        EndOfTurn = endOfSequence ?? throw new NlftException("the model folder",
            "no end-of-sequence token in generation_config.json, config.json or tokenizer_config.json", "eos_token_id or eos_token",
            "Add the one the model was trained with: without it no answer would end.");
    }

    /// <summary>The id that ends a response: the template's end of turn, else the end of the sequence.</summary>
    public int EndOfTurn { get; }

    /// <summary>Prompt tokens. No special token is recognised in the two texts.</summary>
    /// <param name="system">The system text; "" for none.</param>
    /// <param name="user">The user's text.</param>
    /// <param name="parts">Names and texts of what the two consist of, for the message about a template that loses one.</param>
    public int[] Prompt(string system, string user, IReadOnlyList<(string Name, string? Text)> parts) =>
        Conversation(Turns(system, user), parts: parts);

    /// <summary>Requires that the template shows the two texts, without encoding them.</summary>
    /// <exception cref="NlftException">The template loses one of the parts.</exception>
    public void RequireShown(string system, string user, IReadOnlyList<(string Name, string? Text)> parts)
    {
        if (_template is not null) Rendered(_template, Turns(system, user), _variables, parts);
    }

    /// <summary>Prompt tokens of a conversation that ends with a user's turn. No special token is recognised in its texts.</summary>
    /// <param name="turns">The conversation.</param>
    /// <param name="variables">Variables of the template for this conversation, over those of the options; null: none.</param>
    /// <param name="parts">Names and texts of what the contents consist of; null: unknown.</param>
    /// <exception cref="NlftException">The template refuses the conversation, or its prompt lacks one of the texts.</exception>
    public int[] Conversation(
        IReadOnlyList<ChatTurn> turns, IReadOnlyDictionary<string, object?>? variables = null,
        IReadOnlyList<(string Name, string? Text)>? parts = null)
    {
        if (_template is null) return Plain(turns);
        var all = WithOptions(variables);
        RequirePlainTools(turns, all);
        var (shown, rendered) = Rendered(_template, turns, all, parts ?? []);
        return _tokenizer.Encode(rendered, addSpecialTokens: false, PlainRanges(shown, rendered, all));
    }

    private static ChatTurn[] Turns(string system, string user) =>
        system.Length == 0 ? [new("user", user)] : [new("system", system), new("user", user)];

    private static (IReadOnlyList<ChatTurn> Shown, string Rendered) Rendered(
        ShownTemplate template, IReadOnlyList<ChatTurn> turns, IReadOnlyDictionary<string, object?> variables,
        IReadOnlyList<(string Name, string? Text)> parts)
    {
        var shown = template.TakesSystem ? turns : [.. Questions(turns).Select(q => q.Turn with { Content = Join(q.System, q.Turn.Content) })];
        var rendered = template.Render(shown, addGenerationPrompt: true, variables);
        template.RequireAll(shown, rendered, variables, parts);
        return (shown, rendered);
    }

    private IReadOnlyDictionary<string, object?> WithOptions(IReadOnlyDictionary<string, object?>? variables)
    {
        if (variables is null or { Count: 0 }) return _variables;
        var all = new Dictionary<string, object?>(_variables);
        foreach (var (name, value) in RequireVariables(variables, "the template variables of the conversation")) all[name] = value;
        return all;
    }

    private static IReadOnlyDictionary<string, object?> RequireVariables(IReadOnlyDictionary<string, object?>? variables, string subject)
    {
        if (variables is null) throw new NlftException(subject, "null", "names and values", "Leave it out for none.");
        var own = variables.Keys.FirstOrDefault(name => name is "messages" or "add_generation_prompt");
        return own is null ? variables
            : throw new NlftException(subject, $"a value for {own}", "other names: the library sets this one itself", $"Remove {own}.");
    }

    private int[] Plain(IReadOnlyList<ChatTurn> turns)
    {
        var text = new StringBuilder();
        var values = new List<Range>();
        foreach (var (system, turn) in Questions(turns))
        {
            if (turn.Role == "user" && text.Length > 0) text.Append("\n\n");
            var (piece, ranges) = turn.Role == "assistant" ? (turn.Content, [Range.All])
                : system.Length > 0 ? _plainWithSystem.Fill(name => name == "system" ? system : turn.Content)
                : _plain.Fill(_ => turn.Content);
            foreach (var (offset, length) in ranges.Select(range => range.GetOffsetAndLength(piece.Length)))
                values.Add((text.Length + offset)..(text.Length + offset + length));
            text.Append(piece);
        }
        return [.. _opening, .. _tokenizer.Encode(text.ToString(), addSpecialTokens: false, values)];
    }

    /// <summary>Returns the turns of user and assistant, each user turn with the system texts before it.</summary>
    private static IEnumerable<(string System, ChatTurn Turn)> Questions(IEnumerable<ChatTurn> turns)
    {
        var system = "";
        foreach (var turn in turns)
        {
            if (turn.Role == "system") system = Join(system, turn.Content);
            else yield return (turn.Role == "user" ? system : "", turn);
            if (turn.Role == "user") system = "";
        }
    }

    private static string Join(string first, string second) => first.Length == 0 ? second : $"{first}\n\n{second}";

    /// <summary>Returns the response tokens after any prompt, including the end of the turn.</summary>
    public int[] Response(string response)
    {
        // Encode after a character: some tokenizers add a space at the start of a text.
        var text = _last + _gap + response + _tail;
        var before = _tokenizer.Encode(_last.ToString(), addSpecialTokens: false);
        var all = _tokenizer.Encode(text, addSpecialTokens: false, [(1 + _gap.Length)..]);
        var tokens = all.AsSpan().StartsWith(before) ? all[before.Length..]
            : _tokenizer.Encode(text[1..], addSpecialTokens: false, [_gap.Length..]);
        return [.. tokens, EndOfTurn];
    }

    /// <summary>
    /// Locates the contents of the turns in the rendered text. This matters only if one of them contains the text of an added token (special or
    /// not): then the turns are rendered with markers in place of their contents, and replacing the markers must give the same text.
    /// </summary>
    private List<Range>? PlainRanges(IReadOnlyList<ChatTurn> turns, string rendered, IReadOnlyDictionary<string, object?> variables)
    {
        if (!turns.Any(turn => SpellsAddedToken(turn.Content))) return null;
        var marked = turns.Select((turn, i) => turn with { Content = $"\uE000{i}\uE001" });
        var skeleton = _template!.Render(marked, addGenerationPrompt: true, variables);
        var pieces = Marker().Split(skeleton); // text of the template and numbers of turns, alternately
        var (ranges, at, same) = (new List<Range>(), pieces[0].Length, rendered.StartsWith(pieces[0], StringComparison.Ordinal));
        for (var i = 1; same && i < pieces.Length; i += 2)
        {
            var (turn, after) = (turns[int.Parse(pieces[i], CultureInfo.InvariantCulture)], pieces[i + 1]);
            var shown = Forms(turn).FirstOrDefault(form =>
                rendered.AsSpan(at).StartsWith(form) && rendered.AsSpan(at + form.Length).StartsWith(after));
            if (shown is not null) ranges.Add(at..(at + shown.Length));
            at += (shown?.Length ?? 0) + after.Length;
            same = shown is not null;
        }
        if (same && at == rendered.Length) return ranges;
        throw new NlftException("a prompt", "the text of a special token inside a message that the chat template rewrites",
            "messages that the template renders as they are, trimmed or without thoughts", "Remove the special token's text from the row.");
    }

    /// <summary>The forms in which templates show a content: as it is, trimmed, and an earlier answer without the thoughts before it.</summary>
    private static IEnumerable<string> Forms(ChatTurn turn)
    {
        yield return turn.Content;
        yield return turn.Content.Trim();
        if (turn.Role != "assistant") yield break;
        var answer = turn.Content.Split("</think>")[^1];
        yield return answer;
        yield return answer.TrimStart('\n');
        yield return answer.Trim();
    }

    /// <summary>Requires that no call or description of a tool spells a token: the template prints them among its own tokens.</summary>
    private void RequirePlainTools(IReadOnlyList<ChatTurn> turns, IReadOnlyDictionary<string, object?> variables)
    {
        var texts = turns.SelectMany(turn => turn.ToolCalls).SelectMany(call => (string[])[call.Name, .. TextsOf(call.Arguments)]);
        if (variables.GetValueOrDefault("tools") is JsonElement tools) texts = texts.Concat(TextsOf(tools));
        if (texts.FirstOrDefault(SpellsAddedToken) is not { } text) return;
        throw new NlftException("a tool or a call of one", $"the text of a token in \"{text}\"", "texts without tokens of the model's prompts",
            "Remove the token's text.");
    }

    private static IEnumerable<string> TextsOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Array => value.EnumerateArray().SelectMany(TextsOf),
        JsonValueKind.Object => value.EnumerateObject().SelectMany(member => TextsOf(member.Value).Prepend(member.Name)),
        _ => [],
    };

    [GeneratedRegex("\uE000([0-9]+)\uE001", RegexOptions.CultureInvariant)]
    private static partial Regex Marker();

    private bool SpellsAddedToken(string text) =>
        !_tokenizer.Encode(text, addSpecialTokens: false).AsSpan().SequenceEqual(_tokenizer.Encode(text, addSpecialTokens: false, [Range.All]));

    /// <summary>Returns the token with which a text begins, if it is special.</summary>
    private int? FirstSpecial(string text) =>
        _tokenizer.Encode(text, addSpecialTokens: false) is [var first, ..] && _tokenizer.SpecialTokens.Values.Contains(first) ? first : null;

    private int[] Opening()
    {
        int[] plain = _tokenizer.Encode("a", addSpecialTokens: false), complete = _tokenizer.Encode("a", addSpecialTokens: true);
        var at = complete.AsSpan().IndexOf(plain);
        return at > 0 ? complete[..at] : [];
    }
}
