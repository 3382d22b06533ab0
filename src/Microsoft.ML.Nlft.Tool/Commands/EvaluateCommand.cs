using System.CommandLine;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft evaluate: measures the exact-match accuracy of a model's answers, or of the responses in a file.</summary>
internal sealed class EvaluateCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly DataArguments _data;
    private readonly JsonArgument _json;
    private readonly Option<AnswerComparison> _comparison = new("--comparison")
    {
        Description = "number: compares final numbers. published-string: compares strings, as the published evaluation does. "
            + "text: compares whole answers word by word. Default number.",
        HelpName = "number|published-string|text",
        CustomParser = result => result.Tokens[0].Value switch
        {
            "number" => AnswerComparison.Number,
            "published-string" => AnswerComparison.PublishedString,
            "text" => AnswerComparison.Text,
            var other => Refuse(result, other),
        },
    };
    private readonly Option<bool> _card = new("--card") { Description = "Add the result to the model card of the saved model." };
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "JSON Lines file to write every row to, with its response and outcome.",
        HelpName = "FILE",
    };

    public EvaluateCommand(ToolConsole console) : base(console, "evaluate",
        "Compares answers with the gold answers: the model's, or, without a model, the responses in the file.",
        nameof(ToolOptions.Generation), nameof(ToolOptions.Prompts), nameof(ToolOptions.Columns), nameof(ToolOptions.Engine))
    {
        _model = new ModelArguments(console, this, required: false);
        _data = new DataArguments(console, this);
        _comparison.CompletionSources.Add("number", "published-string", "text");
        Add(_comparison);
        Add(_output);
        Add(_card);
        _json = new JsonArgument(console, this);
        AddGeneratedFlags();
    }

    protected override ToolOptions Defaults(ParseResult parsed) => _model.Defaults(parsed);

    protected override async Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        options.Generation.Validate();
        // Refuse before answering, not after.
        (string Folder, LocalModelDescription Saved)? card = parsed.GetValue(_card) ? _model.SavedPlace(parsed) : null;
        _data.RequireOutput(parsed, parsed.GetValue(_output));
        var rows = _data.Read(parsed, options, nameof(DataRow.Answer));
        var responses = await ResponsesAsync(parsed, options, rows, cancellationToken);
        var comparison = parsed.GetValue(_comparison);
        // Check every gold answer first, so that a message names its row.
        var compared = rows.Zip(responses, (row, response) => ExactMatchEvaluator.Compare(response, row.Answer!, comparison, row.Source)).ToList();
        var result = ExactMatchEvaluator.Evaluate(responses, [.. rows.Select(row => row.Answer!)], comparison);
        if (parsed.GetValue(_output) is { } output)
        {
            DataRow[] answered = [.. rows.Zip(responses, (row, response) => row with { Response = response, Judgment = null, Score = null })];
            RowWriter.WriteTo(Console, output, answered, options, results: at =>
            [
                (nameof(EvaluatedRow.Expected), compared[at].Expected),
                (nameof(EvaluatedRow.Found), compared[at].Found),
                (nameof(EvaluatedRow.Outcome), compared[at].Outcome.ToString()),
            ]);
        }
        if (!_json.Given(parsed))
        {
            Console.Out.Write(result);
        }
        else
        {
            _json.Write(("accuracy", result.Accuracy), ("lowerBound", result.LowerBound), ("upperBound", result.UpperBound),
                ("correct", result.Correct), ("wrong", result.Total - result.Correct - result.Unanswered), ("unanswered", result.Unanswered),
                ("total", result.Total));
        }
        if (card is var (folder, saved))
        {
            var evaluation = ModelCardEvaluation.Of($"{rows.Count} rows of {Path.GetFileName(parsed.GetValue(_data.Data)!)}", result);
            Console.Communicator.OnFirst($"writing the card of {folder}", () => WriteCard(folder, saved, evaluation));
        }
        return ExitCode.Success;
    }

    private static void WriteCard(string folder, LocalModelDescription saved, ModelCardEvaluation evaluation)
    {
        var card = saved.Card ?? new ModelCard { BaseModel = saved.BaseModelName ?? ModelLocator.NameOf(saved.BaseModelPath) };
        card = card with { Evaluation = evaluation };
        if (saved.HasAdapter) card.Save(folder, ModelCardKind.Adapter);
        (saved with { Card = card }).Save(folder);
    }

    private async Task<IReadOnlyList<string?>> ResponsesAsync(
        ParseResult parsed, ToolOptions options, IReadOnlyList<DataRow> rows, CancellationToken cancellationToken)
    {
        if (!_model.Given(parsed))
        {
            if (rows.All(row => row.Response is null))
            {
                throw new NlftException(rows[0].Source, $"no \"{options.Columns.Response}\", here or in any row",
                    "responses to evaluate, or a model to answer the questions", "Name a model with --model, or the column with --column-response.");
            }
            return [.. rows.Select(row => row.Response)];
        }
        using var model = _model.Open(parsed, options, cancellationToken: cancellationToken);
        var answers = await GenerateCommand.AnswerAsync(Console, model, rows, new() { Generation = options.Generation }, cancellationToken);
        return [.. answers.Select(response => response.Generated.Text)];
    }

    private static AnswerComparison Refuse(System.CommandLine.Parsing.ArgumentResult result, string found)
    {
        result.AddError($"--comparison: found \"{found}\"; expected number, published-string or text.");
        return default;
    }
}
