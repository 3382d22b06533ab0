using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Encodes rows and questions as token ids with the model folder's tokenizer and chat template. A response is encoded once and follows every prompt
/// of its row, so its tokens are the same in all contexts.
/// </summary>
public sealed class PromptEncoder
{
    private static readonly string[] Names = ["instruction", "question", "judgment", "answer"];

    private readonly PromptRenderer _renderer;
    private readonly ChatRowEncoder _chats;
    private readonly int _limit;
    private readonly int? _beginningOfSequence;
    private readonly PromptText _baseSystem, _baseUser, _judgeSystem, _judgeUser, _standardSystem, _standardUser;

    /// <summary>Creates an encoder.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="template">The folder's chat template, or null for the plain prompt.</param>
    /// <param name="options">Wording and limits.</param>
    /// <param name="endOfSequenceIds">End-of-sequence ids of the model: <see cref="ModelFiles.ModelFolder.EndOfSequenceIds"/>.</param>
    /// <exception cref="NlftException">An option has a wrong placeholder or value, or nothing says how a response ends.</exception>
    public PromptEncoder(HuggingFaceTokenizer tokenizer, ChatTemplate? template, PromptOptions options, IReadOnlyList<int> endOfSequenceIds)
    {
        if (options.MaximumTokens < 2)
        {
            throw new NlftException("option PromptOptions.MaximumTokens", $"{options.MaximumTokens}", "2 or more",
                "Set the most tokens of prompt and response together.");
        }
        int? Id(string? token) => token is null ? null : tokenizer.TokenToId(token);
        var endOfSequence = Id(tokenizer.EndOfSequenceToken) ?? (endOfSequenceIds.Count > 0 ? endOfSequenceIds[0] : null);
        _renderer = new PromptRenderer(tokenizer, template, options, endOfSequence);
        _chats = new ChatRowEncoder(tokenizer, template, options.TemplateVariables, tokenizer.IdToToken(_renderer.EndOfTurn));
        Template = template;
        (Options, _limit, _beginningOfSequence) = (options, options.MaximumTokens, Id(tokenizer.BeginningOfSequenceToken));
        _baseSystem = new PromptText(nameof(options.BaseSystem), options.BaseSystem, Names[..1]);
        _baseUser = new PromptText(nameof(options.BaseUser), options.BaseUser, Names[..2], "question");
        _judgeSystem = new PromptText(nameof(options.JudgeSystem), options.JudgeSystem, Names);
        _judgeUser = new PromptText(nameof(options.JudgeUser), options.JudgeUser, Names, "question");
        _standardSystem = new PromptText(nameof(options.StandardSystem), options.StandardSystem, Names);
        _standardUser = new PromptText(nameof(options.StandardUser), options.StandardUser, Names, "question");
        RequireShown();
        StopIds = [.. endOfSequenceIds.Append(_renderer.EndOfTurn).Distinct().Order()];
    }

    /// <summary>Wording and limits.</summary>
    public PromptOptions Options { get; }

    /// <summary>The folder's chat template; null: it has none.</summary>
    internal ChatTemplate? Template { get; }

    /// <summary>
    /// Ids that end a response: those of the model folder, at which transformers' generate stops, and the token that ends every trained response;
    /// ascending.
    /// </summary>
    public IReadOnlyList<int> StopIds { get; }

    /// <summary>
    /// Encodes a row in all the contexts it has: base and standard, and judge when the response is wrong. A chat row (<see cref="ChatRow"/>) has the
    /// base context alone: its response begins at the first token that counts.
    /// </summary>
    /// <exception cref="NlftException">
    /// A text is missing, the response leaves no room for a prompt, the template refuses a conversation, or none of its tokens within
    /// <see cref="PromptOptions.MaximumTokens"/> counts.
    /// </exception>
    public EncodedExample Encode(TrainingExample example) => EncodeIfItFits(example, out var tooLong) ?? throw tooLong!;

    /// <summary>Encodes a row; null, and the refusal, if the length limit leaves nothing of it to train on.</summary>
    internal EncodedExample? EncodeIfItFits(TrainingExample example, out NlftException? tooLong)
    {
        ArgumentNullException.ThrowIfNull(example);
        tooLong = null;
        if (example.Chat is { } chat) return Encode(chat, example.Source, out tooLong);
        Require(example.Source, nameof(example.Question), example.Question);
        Require(example.Source, nameof(example.Response), example.Response);
        Require(example.Source, nameof(example.Answer), example.Answer);
        var response = _renderer.Response(example.Response);
        if (response.Length >= _limit)
        {
            tooLong = new NlftException($"{example.Source}, Response", $"{response.Length} tokens",
                $"at most {_limit - 1}, which leaves room for a prompt in MaximumTokens = {_limit}",
                "Shorten the response, leave the row out, or raise MaximumTokens up to what the model allows.");
            return null;
        }
        var (room, isCut) = (_limit - response.Length, false);
        return new EncodedExample(example.Polarity, response,
            Prompt(_baseSystem, _baseUser, example, room, ref isCut),
            example.Polarity == Polarity.Incorrect ? Prompt(_judgeSystem, _judgeUser, example, room, ref isCut) : [],
            Prompt(_standardSystem, _standardUser, example, room, ref isCut), example.Source) { IsCut = isCut };
    }

    private EncodedExample? Encode(ChatRow chat, string source, out NlftException? tooLong)
    {
        tooLong = null;
        var whole = _chats.Encode(chat, source, new ChatLoss { AssistantOnly = chat is { Messages: not [], PromptMessages: null } });
        var tokens = whole.Cut(_limit, keepEnd: false);
        var (first, last) = (Array.IndexOf(tokens.Counted, true, Math.Min(1, tokens.Ids.Length)), Array.LastIndexOf(tokens.Counted, true));
        if (first < 0) // nothing comes before token 0, so it is never predicted
        {
            tooLong = new NlftException(source, $"no token that counts among the first {tokens.Ids.Length}", "one or more",
                $"Shorten what comes before, leave the row out, or raise MaximumTokens = {_limit} up to what the model allows.");
            return tokens.Ids.Length < whole.Ids.Length ? null : throw tooLong;
        }
        return new EncodedExample(Polarity.Correct, tokens.Ids[first..(last + 1)], tokens.Ids[..first], [], [], source)
        {
            Counted = tokens.Counted[first..(last + 1)],
            IsCut = tokens.Ids.Length < whole.Ids.Length,
        };
    }

    /// <summary>Encodes a question as the prompt of the base context, ready for generation.</summary>
    /// <param name="question">What the model is asked.</param>
    /// <param name="instruction">An instruction for the system text, or null.</param>
    /// <param name="answerTokens">Tokens to leave free for the answer, at most half the limit. Default 1.</param>
    /// <exception cref="NlftException">The question is empty.</exception>
    public int[] EncodeQuestion(string question, string? instruction = null, int answerTokens = 1)
    {
        Require("a question", "text", question);
        var row = new TrainingExample { Question = question, Instruction = instruction, Response = "", Answer = "" };
        return Prompt(_baseSystem, _baseUser, row, answerTokens);
    }

    /// <summary>Encodes a question as the prompt of the standard context, which shows the gold answer, ready for generation.</summary>
    /// <exception cref="NlftException">The question or the answer is empty.</exception>
    internal int[] EncodeQuestionWithAnswer(string question, string answer, string? instruction, int answerTokens)
    {
        Require("a question", "text", question);
        Require("a question", "gold answer", answer);
        var row = new TrainingExample { Question = question, Instruction = instruction, Response = "", Answer = answer };
        return Prompt(_standardSystem, _standardUser, row, answerTokens);
    }

    private int[] Prompt(PromptText system, PromptText user, TrainingExample row, int answerTokens)
    {
        var isCut = false;
        return Prompt(system, user, row, _limit - Math.Clamp(answerTokens, 1, _limit / 2), ref isCut);
    }

    /// <summary>
    /// Encodes a conversation as the prompt of its next answer, in the wording of the base context: system texts that come first are the
    /// instruction, every user text is a question. A single user text gives the prompt of <see cref="EncodeQuestion"/>.
    /// </summary>
    /// <param name="turns">
    /// Turns of system, user and assistant; the last is the user's. No special token is recognised in their texts. Without a chat template the prompt
    /// is the plain prompts of all questions one after another, each followed by its answer and an empty line; a system text goes with the question
    /// after it, as it does where the template has no place for one.
    /// </param>
    /// <param name="instruction">An instruction to put before the first system text, or null.</param>
    /// <param name="variables">
    /// Variables of the chat template for this conversation, over <see cref="PromptOptions.TemplateVariables"/>; null: none.
    /// </param>
    /// <exception cref="NlftException">A turn cannot be used, the template refuses the conversation, or it leaves no room for an answer.</exception>
    public int[] EncodeConversation(IReadOnlyList<ChatTurn> turns, string? instruction = null, IReadOnlyDictionary<string, object?>? variables = null)
    {
        ArgumentNullException.ThrowIfNull(turns);
        for (var i = 0; i < turns.Count; i++)
        {
            if (turns[i].Role is not ("system" or "user" or "assistant") && turns[i].Answers is null)
                throw new NlftException($"message {i + 1}", $"the role {turns[i].Role}", "system, user or assistant", "Give it one of these roles.");
            if (turns[i].Role == "user" && string.IsNullOrWhiteSpace(turns[i].Content))
                throw new NlftException($"message {i + 1}", "an empty text", "a text", "Fill it in or leave the message out.");
        }
        if (turns is not [.., { Role: "user" } or { Answers: not null }])
        {
            throw new NlftException("the conversation", turns.Count == 0 ? "no message" : $"a message of the role {turns[^1].Role} at its end",
                "a user's message at its end", "Add the message that the model should answer.");
        }
        var leading = turns.TakeWhile(turn => turn.Role == "system").ToArray();
        var instructions = string.Join("\n\n",
            leading.Select(turn => turn.Content).Prepend(instruction).Where(text => !string.IsNullOrWhiteSpace(text)));
        var system = _baseSystem.Fill(_ => instructions).Text.Trim();
        var worded = turns.Skip(leading.Length).Select(turn => turn.Role != "user" ? turn
            : turn with { Content = _baseUser.Fill(name => name == "question" ? turn.Content : instructions).Text });
        var first = system.Length > 0 ? [new ChatTurn("system", system)] : Array.Empty<ChatTurn>();
        var prompt = _renderer.Conversation([.. first, .. worded], variables);
        if (prompt.Length < _limit) return prompt;
        throw new NlftException("the conversation", $"{prompt.Length} tokens",
            $"fewer than {_limit}, the most that prompt and answer may have together",
            "Leave out earlier turns, or raise MaximumTokens up to what the model allows.");
    }

    private int[] Prompt(PromptText system, PromptText user, TrainingExample row, int room, ref bool isCut)
    {
        var (systemText, userText, parts) = Texts(system, user, row);
        var prompt = _renderer.Prompt(systemText, userText, parts);
        if (prompt.Length == 0)
            throw new NlftException($"{row.Source}, Question", "no prompt token", "one or more", "Give the row a question that the tokenizer knows.");
        if (prompt.Length <= room) return prompt;
        isCut = true;
        // Too long: drop the beginning, except the token that begins every sequence.
        return prompt[0] == _beginningOfSequence && room > 1 ? [prompt[0], .. prompt.AsSpan(prompt.Length - room + 1)] : prompt[^room..];
    }

    /// <summary>Requires that the template shows all texts of the three contexts, before there are rows.</summary>
    private void RequireShown()
    {
        const string Letters = ShownTemplate.Letters;
        var row = new TrainingExample
        {
            Instruction = Letters + "i", Question = Letters + "q", Response = "", Judgment = Letters + "j", Answer = Letters + "a",
        };
        foreach (var (system, user) in new[] { (_baseSystem, _baseUser), (_judgeSystem, _judgeUser), (_standardSystem, _standardUser) })
        {
            var (systemText, userText, parts) = Texts(system, user, row);
            _renderer.RequireShown(systemText, userText, parts);
        }
    }

    private static (string System, string User, (string Name, string? Text)[] Parts) Texts(PromptText system, PromptText user, TrainingExample row)
    {
        return (system.Fill(Value).Text.Trim(), user.Fill(Value).Text,
            [.. Names.Where(name => system.Has(name) || user.Has(name)).Select(name => ($"the {name}", Value(name)))]);

        string? Value(string name) => name switch
        {
            "instruction" => row.Instruction,
            "question" => row.Question,
            "judgment" => row.Judgment,
            _ => row.Answer,
        };
    }

    private static void Require(string source, string column, string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
            throw new NlftException($"{source}, {column}", text is null ? "null" : "an empty text", "a text", "Fill it in or leave the row out.");
    }
}
