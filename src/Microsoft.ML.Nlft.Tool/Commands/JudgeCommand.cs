using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Display;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft judge: fills in the judgments of responses, by rule or with a model.</summary>
internal sealed class JudgeCommand : ToolCommand
{
    private readonly DataArguments _data;
    private readonly ModelArguments _model;
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "JSON Lines file for the rows with their judgments. Default: standard output. "
            + "With --model an interrupted run resumes where it stopped (FILE.partial).",
        HelpName = "FILE",
    };
    private readonly Option<bool> _keep = new("--keep") { Description = "Keep judgments that the rows already have." };

    public JudgeCommand(ToolConsole console) : base(console, "judge",
        "Judges responses. By rule: compares the final number with the answer's, and checks the arithmetic of <<a*b=c>> notes; "
        + "it detects wrong results, not wrong reasoning. "
        + "With --model: asks a model, and leaves out rows whose verdict cannot be parsed.",
        nameof(ToolOptions.Columns), nameof(ToolOptions.Engine))
    {
        _data = new DataArguments(console, this);
        _model = new ModelArguments(console, this, required: false);
        Add(_output);
        Add(_keep);
        AddGeneratedFlags();
    }

    protected override ToolOptions Defaults(ParseResult parsed) => _model.Defaults(parsed);

    protected override async Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var keep = parsed.GetValue(_keep);
        var output = parsed.GetValue(_output) is { } path ? Console.PathOf(path) : null;
        _data.RequireOutput(parsed, output);
        var rows = _data.Read(parsed, options, nameof(DataRow.Response), nameof(DataRow.Answer));
        using var model = _model.Given(parsed) ? _model.Open(parsed, options, cancellationToken: cancellationToken) : null;
        using var chat = model is null ? null : ChatJudge.OfModel(model, new() { TimeProvider = Console.Time });
        IResponseJudge judge = chat is null ? new RuleBasedJudge() : chat;
        var (unparsable, open) = (0, keep ? rows.Where(row => row.Judgment is null).ToList() : rows);
        var journal = output is null || chat is null ? null : output + ".partial"; // judging by rule is too quick to need a journal
        var judged = await ProgressDisplay.RunAsync(Console, "Judging", async progress =>
        {
            var set = new JudgingOptions
            {
                Communicator = Console.Communicator,
                Journal = journal,
                RowCount = open.Count,
                Progress = chat is null ? null : new DataSteps(progress, "verdicts"),
                TimeProvider = Console.Time,
            };
            var verdicts = new Queue<JudgedRow>();
            await foreach (var one in judge.JudgeAllAsync(open.ToAsyncEnumerable(), set, cancellationToken)) verdicts.Enqueue(one);
            var done = new List<DataRow>();
            foreach (var row in rows)
            {
                if (keep && row.Judgment is not null) done.Add(row);
                else if (verdicts.Dequeue() is { Verdict.Kind: not VerdictKind.Unparsable } one) done.Add(one.Row);
                else unparsable++;
            }
            return done;
        });
        RowWriter.WriteTo(Console, output, judged, options, journal);
        var wrong = judged.Count(row => row.Judgment is not null);
        var left = unparsable > 0 ? $", {unparsable} left out: their verdict could not be parsed" : "";
        Console.Error.WriteLine($"{rows.Count} rows: {judged.Count - wrong} right, {wrong} with a judgment{left}.");
        return ExitCode.Success;
    }
}
