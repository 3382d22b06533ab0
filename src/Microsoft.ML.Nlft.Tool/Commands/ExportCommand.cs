using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft export: writes rows in another format.</summary>
internal sealed class ExportCommand : ToolCommand
{
    private readonly DataArguments _data;
    private readonly Option<RowFormat?> _format = new("--format")
    {
        Description = "jsonlines, csv, tsv, nlft, cut, sft (prompt and response), sftgold (prompt and gold answer) or reft. "
            + "Default: by the extension of --output.",
        HelpName = "FORMAT",
    };
    private readonly Option<string> _output = new("--output", "-o") { Description = "The file.", HelpName = "FILE", Required = true };

    public ExportCommand(ToolConsole console) : base(console, "export",
        "Writes rows in another format: for NLFT, supervised fine-tuning or ReFT in other programs.", nameof(ToolOptions.Columns))
    {
        _data = new DataArguments(console, this);
        Add(_format);
        Add(_output);
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var output = Console.PathOf(parsed.GetValue(_output)!);
        _data.RequireOutput(parsed, output);
        var rows = _data.Read(parsed, options);
        DataFile.Write(output, rows, parsed.GetValue(_format));
        Console.Error.WriteLine($"{rows.Count} rows in {output}");
        return Task.FromResult(ExitCode.Success);
    }
}
