using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft judge: fills in the judgments of worked solutions by rule.</summary>
internal sealed class JudgeCommand : ToolCommand
{
    private readonly DataArguments _data;
    private readonly Option<string> _output = new("--output", "-o") { Description = "JSON Lines file for the rows with their judgments; without it they go to the standard output.", HelpName = "FILE" };
    private readonly Option<bool> _keep = new("--keep") { Description = "Keep judgments that the rows already have." };

    public JudgeCommand(ToolConsole console) : base(console, "judge",
        "Judges responses by rule: compares the final number with the answer's, and checks the arithmetic of <<a*b=c>> notes. It sees wrong results, not wrong reasoning.",
        nameof(ToolOptions.Columns))
    {
        _data = new DataArguments(console, this);
        Add(_output);
        Add(_keep);
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var (names, keep) = (options.Columns, parsed.GetValue(_keep));
        var rows = _data.Read(parsed, options, nameof(JsonLinesRow.Response), nameof(JsonLinesRow.Answer))
            .Select(row => row with { Judgment = keep && row.Judgment is not null ? row.Judgment : RuleBasedJudge.Judge(row.Response!, row.Answer!, row.Source) }).ToList();
        RowWriter.WriteTo(Console, parsed.GetValue(_output), [.. rows.Select(row => RowWriter.Line(
            (names.Instruction, row.Instruction), (names.Question, row.Question), (names.Response, row.Response), (names.Judgment, row.Judgment), (names.Answer, row.Answer)))]);
        var wrong = rows.Count(row => row.Judgment is not null);
        Console.Error.WriteLine($"{rows.Count} rows: {rows.Count - wrong} right, {wrong} with a judgment.");
        return Task.FromResult(ExitCode.Success);
    }
}
