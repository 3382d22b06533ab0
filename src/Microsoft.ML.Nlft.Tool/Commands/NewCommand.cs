using System.CommandLine;
using System.Text;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Options;
using Microsoft.ML.Nlft.Tool.Projects;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft new: writes a console project that trains on rows, evaluates and answers, as Model Builder of ML.NET does.</summary>
internal sealed class NewCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly DataArguments _data;
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "Folder for the project; it may be new or empty.",
        HelpName = "FOLDER",
        Required = true,
    };
    private readonly Option<string> _test = new("--test")
    {
        Description = "Rows to evaluate with, in the form of --data. Default: those of --data.",
        HelpName = "FILE",
    };
    private readonly Option<string> _name = new("--name", "-n")
    {
        Description = "Name of the class. Default: that of the folder.",
        HelpName = "NAME",
    };
    private readonly Option<bool> _overwrite = new("--overwrite")
    {
        Description = "Replace the files of a project that --output holds already; its other files stay.",
    };

    public NewCommand(ToolConsole console) : base(console, "new", "Writes a C# project that trains on rows, evaluates and answers, through ML.NET.",
        nameof(ToolOptions.FineTune), nameof(ToolOptions.Lora), nameof(ToolOptions.Objective), nameof(ToolOptions.Prompts),
        nameof(ToolOptions.Generation), nameof(ToolOptions.Columns))
    {
        _model = new ModelArguments(console, this);
        _data = new DataArguments(console, this);
        Add(_output);
        Add(_test);
        Add(_name);
        Add(_overwrite);
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var output = Path.GetFullPath(Console.PathOf(parsed.GetValue(_output)!));
        OutputFolder.Require(output);
        var (adapter, model) = _model.Parts(parsed);
        if (adapter is not null)
        {
            throw new NlftException("option --adapter", "an adapter", "a base model alone",
                "Merge it first (nlft merge), and name the result with --model.");
        }
        ModelFolder.Open(model).Dispose();
        var project = Describe(parsed, options, output, Path.GetFullPath(model));
        var files = ProjectFiles.Of(project);
        Console.Communicator.OnFirst($"writing {output}", () =>
        {
            using var place = FolderLock.Beside(output);
            OutputFolder.RequireEmpty(output, parsed.GetValue(_overwrite), "replace the project in it with --overwrite");
            AtomicFile.WriteAll([.. files.Select(file =>
                (Path.Combine(output, file.Name), (Action<Stream>)(stream => stream.Write(Encoding.UTF8.GetBytes(file.Text)))))]);
        });
        foreach (var (name, _) in files) Console.Out.WriteLine(Path.Combine(parsed.GetValue(_output)!, name));
        Console.Error.WriteLine($"Train, evaluate and answer with: dotnet run --project {parsed.GetValue(_output)} -c Release");
        return Task.FromResult(ExitCode.Success);
    }

    private ProjectDescription Describe(ParseResult parsed, ToolOptions options, string output, string model)
    {
        var data = Console.PathOf(parsed.GetValue(_data.Data)!);
        var separator = ProjectRows.Separator(data, _data.Delimiter(parsed));
        var rows = _data.ReadTraining(parsed, options, supervised: null);
        if (rows.Rows.FirstOrDefault(row => row.Chat is not null || row.Answer is null) is { } other)
        {
            throw new NlftException(other.Source, $"{rows.Layout}, a row without an answer",
                "rows with a question and an answer, and for natural language fine-tuning a response and a judgment",
                "Add the column of answers, which evaluation needs, or train with 'nlft train'.");
        }
        var test = parsed.GetValue(_test) is { } file ? Console.PathOf(file) : null;
        var tests = test is null ? rows.Rows : ProjectRows.ReadTest(test, data, separator, options);
        return new ProjectDescription
        {
            Name = CSharpText.Identifier(parsed.GetValue(_name) ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(output)), "Model"),
            Folder = Path.TrimEndingDirectorySeparator(output),
            Data = Path.GetFullPath(data),
            Test = test is null ? null : Path.GetFullPath(test),
            Model = model,
            Separator = separator,
            Columns = separator is { } by ? ProjectRows.Columns(data, by) : ProjectRows.DefaultColumns(rows.Rows),
            IsSupervised = rows.IsSupervised,
            HasInstructions = rows.Rows.Any(row => row.Instruction is not null),
            Comparison = rows.Rows.Concat(tests).All(row => AnswerExtraction.GoldNumber(row.Answer) is not null)
                ? AnswerComparison.Number : AnswerComparison.Text,
            Question = tests[0].Question,
            Options = options,
            Version = LibraryVersion.Short,
        };
    }
}
