using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Encodes chat rows as token ids and says which of them count in the loss, as TRL's SFTTrainer 1.16 with transformers 5 does. Special tokens in the
/// texts of a row are recognised, as there.
/// </summary>
/// <remarks>
/// <para>A completion begins after the longest common prefix of the ids of the prompt and those of prompt and completion.</para>
/// <para>
/// The assistant's text is what stands between the generation tags of the template. A template without them is asked where each message was printed:
/// of an assistant's message, everything after the generation prompt counts, up to the end of its turn.
/// </para>
/// </remarks>
internal sealed class ChatRowEncoder(
    HuggingFaceTokenizer tokenizer, ChatTemplate? template, IReadOnlyDictionary<string, object?> variables, string? endOfTurn)
{
    /// <summary>Encodes a row, whatever its length.</summary>
    /// <param name="row">The row.</param>
    /// <param name="source">Where it came from.</param>
    /// <param name="loss">Which tokens count.</param>
    /// <exception cref="NlftException">The folder has no template, it refuses the messages, or the assistant's text cannot be located.</exception>
    public ChatTokens Encode(ChatRow row, string source, ChatLoss loss) => row.Messages.Count > 0 ? Chat(row, source, loss) : Text(row, loss);

    private ChatTokens Text(ChatRow row, ChatLoss loss)
    {
        var (completion, end) = (row.Completion ?? "", tokenizer.EndOfSequenceToken);
        if (end is not null && !completion.EndsWith(end, StringComparison.Ordinal)) completion += end;
        var ids = tokenizer.Encode(row.Prompt + completion, addSpecialTokens: true);
        return Counted(ids, row.Prompt is { } prompt && loss.CompletionOnly ? tokenizer.Encode(prompt, addSpecialTokens: true) : []);
    }

    private ChatTokens Chat(ChatRow row, string source, ChatLoss loss)
    {
        if (template is null)
        {
            throw new NlftException(source, "messages for a model folder without a chat template", "a folder with chat_template.jinja",
                "Add the model's template, use an instruct model, or write the rows as questions and answers.");
        }
        var all = new Dictionary<string, object?>(variables) { ["tools"] = row.Tools };
        foreach (var (name, value) in row.TemplateVariables) all[name] = value;
        try
        {
            var chat = template.RenderChat(row.Messages, addGenerationPrompt: false, all);
            RequireQuestions(row, source, chat.Text, template.Name);
            var prompt = row.PromptMessages is { } count && loss.CompletionOnly
                ? tokenizer.Encode(template.RenderChat(row.Messages.Take(count), addGenerationPrompt: true, all).Text, addSpecialTokens: false) : [];
            var tokens = tokenizer.EncodeToTokens(chat.Text, out _);
            var counted = Counted([.. tokens.Select(token => token.Id)], prompt);
            if (!loss.AssistantOnly) return counted;
            var spans = template.MarksGeneration ? chat.Generations : Turns(chat, row, source, all);
            var assistant = AssistantMask(tokens, chat.Text.Length, spans);
            return counted with { Counted = [.. counted.Counted.Zip(assistant, (one, other) => one && other)] };
        }
        catch (NlftException refusal) when (refusal.InnerException is TemplateRaised raised)
        {
            throw new NlftException(source, $"messages that the chat template refuses: \"{raised.Message}\"", refusal.Expected, refusal.Remedy,
                raised);
        }
    }

    /// <summary>Requires that a rendered row shows the texts of its users.</summary>
    private static void RequireQuestions(ChatRow row, string source, string rendered, string template)
    {
        foreach (var (index, message) in row.Messages.Index())
        {
            if (ChatRow.RoleOf(message) != "user" || ChatRow.ContentOf(message) is not { } text) continue;
            if (rendered.Contains(text.Trim(), StringComparison.Ordinal)) continue;

            throw new NlftException($"{source}, messages[{index}]", $"a user's text that the prompt of {template} lacks",
                "a chat template that shows every message",
                "Use the template that was published with the model; if it takes contents as parts, write them so: [{\"type\": \"text\", ...}].");
        }
    }

    private static ChatTokens Counted(int[] ids, int[] prompt)
    {
        var counted = new bool[ids.Length];
        counted.AsSpan(ids.AsSpan().CommonPrefixLength(prompt)).Fill(true);
        return new ChatTokens(ids, counted);
    }

    /// <summary>
    /// Marks whole tokens, from the one at the first character of a span to the one at its last, as transformers does: a span that begins where no
    /// token stands ends the marking, and one that ends there reaches to the end.
    /// </summary>
    internal static bool[] AssistantMask(IReadOnlyList<Microsoft.ML.Tokenizers.EncodedToken> tokens, int length, IReadOnlyList<Range> spans)
    {
        var tokenAt = new int[length + 1]; // 1 more than the first token at each character; 0: none
        for (var t = 0; t < tokens.Count; t++)
        {
            var (offset, count) = tokens[t].Offset.GetOffsetAndLength(length);
            for (var at = offset; at < offset + count; at++)
                if (tokenAt[at] == 0) tokenAt[at] = t + 1;
        }
        var mask = new bool[tokens.Count];
        foreach (var (start, count) in spans.Select(span => span.GetOffsetAndLength(length)))
        {
            if (tokenAt[start] == 0) break;
            var last = start + count == 0 ? 0 : tokenAt[start + count - 1];
            var (from, to) = (tokenAt[start] - 1, last <= 1 ? tokens.Count : last);
            if (to > from) mask.AsSpan(from..to).Fill(true);
        }
        return mask;
    }

    /// <summary>Locates the assistant's turns in the output of a template without generation tags.</summary>
    private List<Range> Turns(RenderedChat chat, ChatRow row, string source, Dictionary<string, object?> all)
    {
        NlftException Refuse(string found) => new(source, found,
            "a template with {% generation %} around the assistant's text, or a loop over messages",
            "Add the tags to chat_template.jinja, or write the rows as prompt and completion.");
        var header = GenerationPrompt(all);
        var spans = new List<Range>();
        foreach (var turn in chat.Turns.Where(turn => turn.Role == "assistant"))
        {
            var (start, length) = turn.Text.GetOffsetAndLength(chat.Text.Length);
            var text = chat.Text.AsSpan(start, length);
            var skipped = text.IndexOf(header) is var at and >= 0 ? at + header.Length : text.CommonPrefixLength(header);
            if (header.Length > 0 && skipped == 0) throw Refuse("a chat template that writes an answer unlike its generation prompt");
            var end = start + text.TrimEnd().Length;
            var after = chat.Text.AsSpan(end);
            var blanks = after.Length - after.TrimStart().Length;
            // Some templates write the end of a turn before the next one.
            if (endOfTurn is not null && !chat.Text.AsSpan(start, end - start).EndsWith(endOfTurn) && after[blanks..].StartsWith(endOfTurn))
                end += blanks + endOfTurn.Length;
            if (end > start + skipped) spans.Add((start + skipped)..end);
        }
        return spans.Count > 0 ? spans : throw Refuse($"a chat template that shows none of the {row.Messages.Count} messages in a loop");
    }

    /// <summary>Returns what the template writes where an answer begins; empty: nothing, or it does not render one question alone.</summary>
    private string GenerationPrompt(Dictionary<string, object?> all)
    {
        try
        {
            ChatTurn[] question = [new("user", "?")];
            var (prompt, without) = (template!.RenderChat(question, true, all).Text, template.RenderChat(question, false, all).Text);
            return prompt[prompt.AsSpan().CommonPrefixLength(without)..];
        }
        catch (NlftException)
        {
            return "";
        }
    }
}
