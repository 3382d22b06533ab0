
namespace Microsoft.ML.Nlft.Tool.Tests;

/// <summary>The tool in this process, with a folder of its own and everything it writes caught.</summary>
internal sealed class ToolRun : IDisposable
{
    private readonly ModelOnDisk _model = new();

    public ToolRun() => Directory.CreateDirectory(Folder);

    /// <summary>The working folder of the command lines.</summary>
    public string Folder => _model.Beside("work");

    /// <summary>A model of two random layers.</summary>
    public string Model => _model.Folder;

    /// <summary>Columns of a line.</summary>
    public int Width { get; init; } = 100;

    /// <summary>The environment variables of the tool; none of this process's.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    /// <summary>What the last run wrote as its result.</summary>
    public string Out { get; private set; } = "";

    /// <summary>What the last run said besides.</summary>
    public string Error { get; private set; } = "";

    /// <summary>The path of a file in the working folder.</summary>
    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>Puts a file into the working folder.</summary>
    public string Write(string name, string text)
    {
        File.WriteAllText(PathOf(name), text);
        return name;
    }

    /// <summary>Three rows, as CSV.</summary>
    public string WriteRows() => Write("rows.csv", """
        Question,Response,Judgment,Answer
        2+3?,"2+3=6
        #### 6",The sum is 5.,#### 5
        1+1?,#### 2,,#### 2
        4+4?,"It is <<4+4=9>>9, so
        #### 9","4+4 is 8, ""not"" 9.",#### 8
        """);

    /// <summary>Runs a command line; MODEL stands for the model's folder.</summary>
    public int Run(string commandLine, string input = "", CancellationToken cancellationToken = default) =>
        Run(Words(commandLine), input, cancellationToken);

    public int Run(string[] args, string input = "", CancellationToken cancellationToken = default)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var console = new ToolConsole
        {
            In = new StringReader(input), Out = output, Error = error, WorkingDirectory = Folder, Width = Width,
            Environment = name => Variables.GetValueOrDefault(name),
        };
        var code = new NlftTool(console).RunAsync(args, cancellationToken).GetAwaiter().GetResult();
        (Out, Error) = (output.ToString(), error.ToString());
        return code;
    }

    /// <summary>Runs a command line that must succeed.</summary>
    public string Succeed(string commandLine, string input = "") => Succeed(Words(commandLine), input);

    public string Succeed(string[] args, string input = "")
    {
        var code = Run(args, input);
        Assert.AreEqual(ExitCode.Success, code, Error);
        return Out;
    }

    private string[] Words(string commandLine) =>
        [.. commandLine.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word == "MODEL" ? Model : word)];

    public void Dispose() => _model.Dispose();
}
