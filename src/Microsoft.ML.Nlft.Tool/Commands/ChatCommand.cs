using System.CommandLine;
using System.Text;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft chat: a conversation, lines from the standard input, answers as they grow.</summary>
internal sealed class ChatCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly Option<string> _instruction = new("--instruction")
    {
        Description = "What the model is told before the conversation, as a system text.",
        HelpName = "TEXT",
    };

    public ChatCommand(ToolConsole console) : base(console, "chat",
        "A conversation: every line is answered, with the lines before it in mind, as the answer grows. /new forgets what was said; /exit or the "
            + "end of the input ends it.",
        nameof(ToolOptions.Generation), nameof(ToolOptions.Prompts), nameof(ToolOptions.Engine))
    {
        _model = new ModelArguments(console, this);
        Add(_instruction);
        AddGeneratedFlags();
    }

    protected override ToolOptions Defaults(ParseResult parsed) => _model.Defaults(parsed);

    protected override async Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        options.Generation.Validate();
        using var model = _model.Open(parsed, options, cancellationToken: cancellationToken);
        var generator = new TextGenerator(model.Network, model.Tokenizer, model.Prompts.StopIds);
        var (turns, instruction) = (new List<ChatTurn>(), parsed.GetValue(_instruction));
        if (Console.InIsTerminal) Console.Error.WriteLine($"{model.Folder.Path}: ask, start over with /new, or leave with /exit.");
        while (true)
        {
            if (Console.InIsTerminal) Console.Error.Write("> ");
            // The reading of a terminal cannot be interrupted; the process ends without it.
            var line = await Task.Run(Console.In.ReadLine, cancellationToken).WaitAsync(cancellationToken);
            switch (line?.Trim())
            {
                case null or "/exit" or "/quit":
                    return ExitCode.Success;
                case "/new":
                    turns.Clear();
                    break;
                case { Length: > 0 } question:
                    turns.Add(new ChatTurn("user", question));
                    var prompt = Fit(model, turns, instruction);
                    var answer = new StringBuilder();
                    await foreach (var text in generator.GenerateStreaming(prompt, options.Generation, cancellationToken: cancellationToken))
                    {
                        answer.Append(text);
                        Console.Out.Write(text);
                        Console.Out.Flush();
                    }
                    Console.Out.WriteLine();
                    turns.Add(new ChatTurn("assistant", answer.ToString()));
                    break;
            }
        }
    }

    /// <summary>The prompt of the conversation; when it is too long, the earliest question and answer go until it fits.</summary>
    private int[] Fit(LocalModel model, List<ChatTurn> turns, string? instruction)
    {
        while (true)
        {
            try
            {
                return model.Prompts.EncodeConversation(turns, instruction);
            }
            catch (NlftException) when (turns.Count > 1)
            {
                turns.RemoveRange(0, 2);
                Console.Error.WriteLine("nlft: the conversation is too long; its earliest question and answer are forgotten.");
            }
        }
    }
}
