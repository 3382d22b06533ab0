using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Display;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft generate: answers one question, or every row of a file.</summary>
internal sealed class GenerateCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly DataArguments _data;
    private readonly Option<string> _question = new("--question", "-q") { Description = "One question; its answer goes to the standard output.", HelpName = "TEXT" };
    private readonly Option<string> _output = new("--output", "-o") { Description = "JSON Lines file for the rows with their responses; without it they go to the standard output.", HelpName = "FILE" };

    public GenerateCommand(ToolConsole console) : base(console, "generate", "Answers a question, or the questions of a file.",
        nameof(ToolOptions.Generation), nameof(ToolOptions.Prompts), nameof(ToolOptions.Columns), nameof(ToolOptions.Engine))
    {
        _model = new ModelArguments(console, this);
        Add(_question);
        _data = new DataArguments(console, this, required: false);
        Add(_output);
        AddGeneratedFlags();
        Validators.Add(result =>
        {
            if (result.GetResult(_question) is null == result.GetResult(_data.Data) is null) result.AddError("give either --question TEXT or --data FILE.");
        });
    }

    protected override ToolOptions Defaults(ParseResult parsed) => _model.Defaults(parsed);

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        options.Generation.Validate();
        var question = parsed.GetValue(_question);
        var rows = question is null ? _data.Read(parsed, options) : [];
        using var model = _model.Open(parsed, options, cancellationToken: cancellationToken);
        if (question is not null)
        {
            var answer = model.Answer([question], options.Generation, cancellationToken)[0];
            Console.Out.WriteLine(answer.Text);
            foreach (var token in TokenLine.Of(answer, model.Tokenizer) ?? []) Console.Out.WriteLine(token);
            return Task.FromResult(ExitCode.Success);
        }

        var answers = Answer(Console, model, rows, options.Generation, cancellationToken);
        var names = options.Columns;
        RowWriter.WriteTo(Console, parsed.GetValue(_output), [.. rows.Zip(answers, (row, answer) => RowWriter.Line(
            (names.Instruction, row.Instruction), (names.Question, row.Question), (names.Response, answer.Text), (names.Answer, row.Answer),
            (nameof(answer.FinishReason), answer.FinishReason.ToString()), (nameof(answer.Tokens), TokenLine.Of(answer, model.Tokenizer))))]);
        Console.Error.WriteLine($"{rows.Count} answers, {answers.Count(answer => answer.FinishReason == FinishReason.Length)} of them cut at the limit of {options.Generation.MaximumNewTokens} tokens.");
        return Task.FromResult(ExitCode.Success);
    }

    /// <summary>Answers rows with a progress display.</summary>
    internal static IReadOnlyList<GeneratedText> Answer(
        ToolConsole console, LocalModel model, IReadOnlyList<JsonLinesRow> rows, GenerationOptions options, CancellationToken cancellationToken)
    {
        var prompts = rows.Select(row => model.Prompts.EncodeQuestion(row.Question, row.Instruction, options.MaximumNewTokens)).ToArray();
        // The most likely answers do not depend on how rows are split into calls; sampled ones draw by the row's place in the call.
        var portion = options.Temperature == 0 ? options.MaximumBatchSize : Math.Max(1, prompts.Length);
        return ProgressDisplay.Run(console, "Answering", progress =>
        {
            var answers = new List<GeneratedText>();
            foreach (var prompt in prompts.Chunk(portion))
            {
                answers.AddRange(model.Generate(prompt, options, cancellationToken));
                progress.Report(((double)answers.Count / prompts.Length, $"{answers.Count} of {prompts.Length} rows"));
            }
            return answers;
        });
    }
}
