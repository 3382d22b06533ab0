using System.Text;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Tool.Display;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Microsoft.ML.Nlft.Tool;

/// <summary>
/// The input and output of a command: results go to <see cref="Out"/>, progress and messages to <see cref="Error"/>, so that results can be piped.
/// Paths on the command line are relative to <see cref="WorkingDirectory"/>.
/// </summary>
internal sealed class ToolConsole
{
    private const int PlainWidth = 130; // the comparison of models by memory takes 123

    private readonly TextWriter _out = TextWriter.Null, _error = TextWriter.Null; // for Spectre, which writes the terminal's own commands

    /// <summary>Standard input: what the user types or pipes in.</summary>
    public required TextReader In { get; init; }

    /// <summary>Results: as they are in a file or a pipe, with control characters shown at a terminal.</summary>
    public required TextWriter Out
    {
        get => OutIsTerminal ? new EscapedWriter(field) : field;
        init => (field, _out) = (value, value);
    }

    /// <summary>Progress, summaries and errors, with control characters shown.</summary>
    public required TextWriter Error
    {
        get => new EscapedWriter(field);
        init => (field, _error) = (value, value);
    }

    /// <summary>The folder that paths are relative to; empty: the process's working directory.</summary>
    public string WorkingDirectory { get; init; } = "";

    /// <summary>Reads an environment variable.</summary>
    public Func<string, string?> Environment { get; init; } = System.Environment.GetEnvironmentVariable;

    /// <summary>Whether results go to a terminal.</summary>
    public bool OutIsTerminal { get; init; }

    /// <summary>Whether messages go to a terminal, which shows bars instead of lines.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Whether input comes from a terminal, which shows a prompt.</summary>
    public bool InIsTerminal { get; init; }

    /// <summary>Width of a line in columns; 0: the terminal's width.</summary>
    public int Width { get; init; } = PlainWidth;

    /// <summary>The clock of progress lines.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The processes of the job, resolved once for all commands.</summary>
    public Communicator Communicator { get; init; } = Communicator.Single;

    /// <summary>Creates the console of this process. Of processes that an MPI launcher started, only the first one prints.</summary>
    /// <exception cref="NlftException">The process was started by an MPI launcher whose library cannot be used.</exception>
    public static ToolConsole OfProcess() => Communicator.Current is var ranks && !ranks.IsFirst ? new()
    {
        In = TextReader.Null,
        Out = TextWriter.Null,
        Error = new SpeakerWriter(Console.Error, ranks),
        Communicator = ranks,
    } : new()
    {
        In = Console.In,
        Out = Console.Out,
        Error = Console.Error,
        OutIsTerminal = !Console.IsOutputRedirected,
        ErrorIsTerminal = !Console.IsErrorRedirected,
        InIsTerminal = !Console.IsInputRedirected,
        Communicator = ranks,
        Width = Console.IsOutputRedirected || Console.WindowWidth <= 0 ? PlainWidth : Console.WindowWidth,
    };

    /// <summary>Resolves a path from the command line.</summary>
    public string PathOf(string path) => Path.Combine(WorkingDirectory, path);

    /// <summary>Writes a table or other Spectre output as a result.</summary>
    public void Write(IRenderable renderable)
    {
        if (OutIsTerminal)
        {
            Styled(_out, terminal: true).Write(renderable);
            return;
        }
        var text = new StringWriter();
        Styled(text, terminal: false).Write(renderable);
        foreach (var line in text.ToString().TrimEnd().Split('\n')) Out.WriteLine(line.TrimEnd());
    }

    /// <summary>The console for messages, which draws the bars.</summary>
    public IAnsiConsole Messages => Styled(_error, ErrorIsTerminal);

    private IAnsiConsole Styled(TextWriter writer, bool terminal)
    {
        var console = AnsiConsole.Create(Settings(writer, terminal));
        console.Pipeline.Attach(new EscapedSegments());
        return console;
    }

    private AnsiConsoleSettings Settings(TextWriter writer, bool terminal) => new()
    {
        Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
        ColorSystem = terminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        Interactive = terminal ? InteractionSupport.Detect : InteractionSupport.No,
        Out = new Output(writer, terminal, Width),
    };

    /// <summary>Prints only if the processes of lower rank were killed.</summary>
    private sealed class SpeakerWriter(TextWriter writer, Communicator ranks) : TextWriter
    {
        public override Encoding Encoding => writer.Encoding;

        public override void Write(char value)
        {
            if (ranks.IsSpeaker) writer.Write(value);
        }

        public override void Write(string? value)
        {
            if (ranks.IsSpeaker) writer.Write(value);
        }
    }

    /// <summary>A writer of a known width; Spectre's own output queries the process's console.</summary>
    private sealed class Output(TextWriter writer, bool terminal, int width) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;
        public bool IsTerminal => terminal;
        public int Width => width;
        public int Height => 50;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
