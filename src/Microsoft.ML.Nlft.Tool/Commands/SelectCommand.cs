using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft select: draws a training set from judged rows.</summary>
internal sealed class SelectCommand : ToolCommand
{
    private readonly DataArguments _data;
    private readonly Option<int> _count = new("--count") { Description = "Number of rows to take.", HelpName = "N", Required = true };
    private readonly Option<string> _ratio = new("--ratio")
    {
        Description = "Ratio of correct to incorrect responses, for example 1:3, or \"correct\" or \"incorrect\" for one kind alone. "
            + "Default: the first rows after the shuffle.",
        HelpName = "C:I",
    };
    private readonly Option<int> _seed = new("--seed")
    {
        Description = $"Seeds the shuffle. Default {RowSelection.DefaultSeed}.",
        HelpName = "N",
        DefaultValueFactory = _ => RowSelection.DefaultSeed,
    };
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "JSON Lines file for the rows. Default: standard output.",
        HelpName = "FILE",
    };

    public SelectCommand(ToolConsole console) : base(console, "select",
        "Draws a training set from judged rows: the first N after a shuffle, or N in a ratio of correct to incorrect responses.",
        nameof(ToolOptions.Columns))
    {
        _data = new DataArguments(console, this);
        foreach (var option in (Option[])[_count, _ratio, _seed, _output]) Add(option);
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var output = parsed.GetValue(_output) is { } path ? Console.PathOf(path) : null;
        _data.RequireOutput(parsed, output);
        var rows = _data.Read(parsed, options, nameof(DataRow.Response), nameof(DataRow.Answer));
        var (count, seed) = (parsed.GetValue(_count), parsed.GetValue(_seed));
        var chosen = parsed.GetValue(_ratio) is { } ratio
            ? RowSelection.WithRatio(rows, count, ResponseRatio.Parse(ratio), seed)
            : RowSelection.First(rows, count, seed);
        RowWriter.WriteTo(Console, output, chosen, options);
        var correct = chosen.Count(row => row.Polarity == Polarity.Correct);
        Console.Error.WriteLine($"{chosen.Count} of {rows.Count} rows: {correct} correct, {chosen.Count - correct} incorrect.");
        return Task.FromResult(ExitCode.Success);
    }
}
