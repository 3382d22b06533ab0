using System.CommandLine;
using System.Text;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft chat: holds a conversation. Reads questions from standard input and streams the answers.</summary>
internal sealed class ChatCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly Option<string> _instruction = new("--instruction")
    {
        Description = "System text that comes before the conversation.",
        HelpName = "TEXT",
    };

    public ChatCommand(ToolConsole console) : base(console, "chat",
        "Holds a conversation: answers each line in the context of the lines before it and streams the answer. "
            + "/new starts over; /exit or the end of the input quits.",
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
            // A pending read from a terminal cannot be cancelled; the process exits without waiting for it.
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

    /// <summary>Encodes the conversation as a prompt; drops the earliest question and answer until the prompt fits.</summary>
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
                Console.Error.WriteLine("nlft: the conversation is too long; its earliest question and answer were dropped.");
            }
        }
    }
}
