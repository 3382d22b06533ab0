using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
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
    private readonly Option<string> _question = new("--question", "-q")
    {
        Description = "A question; the answer goes to standard output.",
        HelpName = "TEXT",
    };
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "JSON Lines file for the question or the rows with their responses. Default: standard output. "
            + "An interrupted run resumes where it stopped (FILE.partial).",
        HelpName = "FILE",
    };
    private readonly Option<int> _samples = new("--samples")
    {
        Description = "Responses per question of a file; more than one needs a temperature above 0. Default 1.",
        HelpName = "K",
        DefaultValueFactory = _ => 1,
    };

    public GenerateCommand(ToolConsole console) : base(console, "generate", "Answers a question, or the questions of a file.",
        nameof(ToolOptions.Generation), nameof(ToolOptions.Prompts), nameof(ToolOptions.Columns), nameof(ToolOptions.Engine))
    {
        _model = new ModelArguments(console, this);
        Add(_question);
        _data = new DataArguments(console, this, required: false);
        Add(_output);
        Add(_samples);
        AddGeneratedFlags();
        Validators.Add(result =>
        {
            if (result.GetResult(_question) is null == result.GetResult(_data.Data) is null)
                result.AddError("give either --question TEXT or --data FILE.");
        });
    }

    protected override ToolOptions Defaults(ParseResult parsed) => _model.Defaults(parsed);

    protected override async Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        options.Generation.Validate();
        var question = parsed.GetValue(_question);
        var output = parsed.GetValue(_output) is { } path ? Console.PathOf(path) : null;
        _data.RequireOutput(parsed, output);
        IReadOnlyList<DataRow> rows = question is null ? _data.Read(parsed, options) : [new DataRow { Question = question, Source = "--question" }];
        using var model = _model.Open(parsed, options, cancellationToken: cancellationToken);
        if (question is not null && output is null)
        {
            var answer = model.Answer([question], options.Generation, cancellationToken)[0];
            Console.Out.WriteLine(answer.Text);
            foreach (var token in TokenLine.Of(answer, model.Tokenizer) ?? []) Console.Out.WriteLine(token);
            return ExitCode.Success;
        }

        var journal = output is null ? null : output + ".partial";
        var responses = await AnswerAsync(Console, model, rows, new()
        {
            SamplesPerQuestion = parsed.GetValue(_samples),
            Generation = options.Generation,
            Journal = journal,
        }, cancellationToken);
        // A judgment or score in the question's row does not describe the new response.
        DataRow[] answered = [.. responses.Select(response => response.Row with { Judgment = null, Score = null })];
        RowWriter.WriteTo(Console, output, answered, options, journal, at =>
        [
            (nameof(GeneratedText.FinishReason), responses[at].Generated.FinishReason.ToString()),
            (nameof(GeneratedText.Tokens), TokenLine.JsonOf(responses[at].Generated, model.Tokenizer)),
        ]);
        var cut = responses.Count(response => response.Generated.FinishReason == FinishReason.Length);
        Console.Error.WriteLine($"{responses.Count} answers, {cut} of them cut at the limit of {options.Generation.MaximumNewTokens} tokens.");
        return ExitCode.Success;
    }

    /// <summary>Answers rows with a progress display; the processes of a job divide the rows among them.</summary>
    internal static Task<List<GeneratedResponse>> AnswerAsync(
        ToolConsole console, LocalModel model, IReadOnlyList<DataRow> rows, ResponseOptions options, CancellationToken cancellationToken) =>
        ProgressDisplay.RunAsync(console, "Answering", async progress =>
        {
            var set = options with { QuestionCount = rows.Count, Progress = new DataSteps(progress, "answers"), TimeProvider = console.Time };
            return await ResponseGenerator.GenerateAsync(model, rows.ToAsyncEnumerable(), set, cancellationToken).ToListAsync(cancellationToken);
        });
}
