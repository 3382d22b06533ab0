using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Tool.Display;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft saliency: shows which response tokens the feedback lands on.</summary>
internal sealed class SaliencyCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly DataArguments _data;
    private readonly Option<int?> _rows = new("--rows") { Description = "Show only the first N rows. Default: all.", HelpName = "N" };
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "HTML file for the saliency map, instead of tables: one page to read, filter and try settings in.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _mask = new("--mask")
    {
        Description = "Show instead which tokens of the rows carry loss in training, whatever their layout: lines with + do, lines with - do not; "
            + "with --output as a page.",
    };

    public SaliencyCommand(ToolConsole console) : base(console, "saliency",
        "Shows a table per row: every response token with its probabilities in the three contexts, its weight and its coefficient; "
            + "* salient, + neighbour.",
        nameof(ToolOptions.Objective), nameof(ToolOptions.Prompts), nameof(ToolOptions.Columns), nameof(ToolOptions.Engine))
    {
        _model = new ModelArguments(console, this);
        _data = new DataArguments(console, this);
        _rows.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && int.TryParse(token.Value, out var rows) && rows < 1)
                result.AddError($"--rows: found \"{token.Value}\"; expected 1 or more.");
        });
        Add(_rows);
        Add(_output);
        Add(_mask);
        AddGeneratedFlags();
    }

    protected override ToolOptions Defaults(ParseResult parsed) => _model.Defaults(parsed);

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_mask)) return ShowMask(parsed, options, cancellationToken);
        _data.RequireOutput(parsed, parsed.GetValue(_output));
        var objective = new NaturalLanguageObjective(options.Objective);
        var rows = _data.Read(parsed, options, nameof(DataRow.Response), nameof(DataRow.Answer))
            .Take(parsed.GetValue(_rows) ?? int.MaxValue).ToList();
        using var model = _model.Open(parsed, options, cancellationToken: cancellationToken);
        if (parsed.GetValue(_output) is { } output)
        {
            model.CreateSaliencyMap([.. rows.Select(row => row.ToExample())], options.Objective, cancellationToken).Save(Console.PathOf(output));
            Console.Out.WriteLine($"{rows.Count} rows, map in {output}");
            return Task.FromResult(ExitCode.Success);
        }
        var analyzer = new SaliencyAnalyzer(model.Network, objective, batchSize: 1);
        foreach (var row in rows)
        {
            var seen = analyzer.Analyze([model.Prompts.Encode(row.ToExample())], cancellationToken)[0];
            Console.Out.WriteLine($"{row.Source}: {(seen.Polarity == Polarity.Correct ? "a right response" : row.Judgment)}");
            Console.Out.WriteLine(seen.Report([.. seen.Tokens.Select(id => model.Tokenizer.Decode([id], skipSpecialTokens: false))]));
        }
        return Task.FromResult(ExitCode.Success);
    }

    private Task<int> ShowMask(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var data = _data.ReadTraining(parsed, options, supervised: null);
        using var model = _model.Open(parsed, options, cancellationToken: cancellationToken);
        _data.Say(parsed, data);
        var examples = data.Examples().Take(parsed.GetValue(_rows) ?? int.MaxValue).ToList();
        if (parsed.GetValue(_output) is { } output)
        {
            model.CreateLossMap(examples, cancellationToken).Save(Console.PathOf(output));
            Console.Out.WriteLine($"{examples.Count} rows, map in {output}");
            return Task.FromResult(ExitCode.Success);
        }
        foreach (var example in examples)
            foreach (var line in LossMask.Lines(model.Prompts.Encode(example), model.Tokenizer)) Console.Out.WriteLine(line);
        return Task.FromResult(ExitCode.Success);
    }
}
