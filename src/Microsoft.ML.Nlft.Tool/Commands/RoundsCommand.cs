using System.CommandLine;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Display;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft rounds: trains an adapter on responses that the model writes meanwhile.</summary>
internal sealed class RoundsCommand : ToolCommand
{
    private readonly ModelArguments _model;
    private readonly DataArguments _data;
    private readonly Option<string> _output = new("--output", "-o") { Description = "Folder for the adapter.", HelpName = "FOLDER", Required = true };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace the files of a model that --output holds already." };
    private readonly Option<string> _folder = new("--folder")
    {
        Description = "Folder for the responses and checkpoints of every round. The same command resumes a run that was stopped anywhere.",
        HelpName = "FOLDER",
    };
    private readonly Option<string> _judge = new("--judge-model")
    {
        Description = "A model that judges the responses. Default: by rule, as nlft judge does.",
        HelpName = "MODEL",
    };
    private readonly MethodArguments _method;

    public RoundsCommand(ToolConsole console) : base(console, "rounds",
        "Fine-tunes a model in rounds: it responds to the questions, a judge reads the responses, and it trains on those that are kept.",
        nameof(ToolOptions.Rounds), nameof(ToolOptions.FineTune), nameof(ToolOptions.Generation), nameof(ToolOptions.Lora),
        nameof(ToolOptions.Objective), nameof(ToolOptions.SelfDistillation), nameof(ToolOptions.Prompts), nameof(ToolOptions.Columns),
        nameof(ToolOptions.Engine))
    {
        _model = new ModelArguments(console, this);
        _data = new DataArguments(console, this);
        foreach (var option in (Option[])[_output, _overwrite, _folder, _judge]) Add(option);
        _method = new MethodArguments(this, "What is trained, as for nlft train. Default: nlft, or sft with --keep right.", inRounds: true);
        AddGeneratedFlags();
    }

    protected override ToolOptions Defaults(ParseResult parsed)
    {
        var options = _model.Defaults(parsed);
        options = options with { Generation = options.Generation with { Temperature = 1 } };
        return _method.RecipeOf(parsed) is not { Rounds: { } rounds } recipe ? options
            : options with { FineTune = recipe.Training, Rounds = RoundOptions.Of(rounds) };
    }

    protected override async Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var output = Console.PathOf(parsed.GetValue(_output)!);
        OutputFolder.Require(output);
        var questions = _data.Read(parsed, options, nameof(DataRow.Answer));
        using var model = _model.Open(parsed, options, TrainableWeights.Lora, cancellationToken);
        using var place = OutputFolder.Lock(Console, model, output, parsed.GetValue(_overwrite));
        using var judging = parsed.GetValue(_judge) is { } judge ? LocalModel.Load(Console.PathOf(judge), new(), cancellationToken) : null;
        using var chat = judging is null ? null : ChatJudge.OfModel(judging, new() { TimeProvider = Console.Time });
        var objective = _method.Objective(parsed, supervised: options.Rounds.Keep == KeptResponses.Right, options);
        var settings = new LocalModelSettings
        {
            QuestionColumnName = options.Columns.Question, Generation = _model.Defaults(parsed).Generation, Prompts = options.Prompts,
        };
        settings.Validate();
        var rounds = options.Rounds.ToOptions(options with { FineTune = options.FineTune with { ReturnPartialOnCancel = true } },
            parsed.GetValue(_folder) is { } folder ? Console.PathOf(folder) : null);
        var run = new OnPolicyRun(model, questions, chat is null ? new RuleBasedJudge() : chat, objective, rounds, Console.Time);
        Console.Error.WriteLine($"{objective.Name}: {questions.Count} questions, {rounds.Rounds} rounds of {rounds.StepsPerRound} steps, "
            + $"model {model.Folder.Path}.");
        var result = await ProgressDisplay.RunAsync(Console, "Rounds", progress => run.RunAsync(new Reports(progress, Console), cancellationToken));
        var trained = result.Rounds.Sum(round => round.Steps) + (result.Cancelled ? result.LastTraining?.Steps.Count ?? 0 : 0);
        if (trained == 0)
        {
            Console.Error.WriteLine("nlft: cancelled before the first step was complete: nothing was written.");
            return ExitCode.Cancelled;
        }
        model.Communicator.OnFirst($"writing {output}", () => model.Save(output, settings, run.Card(result)));
        Console.Out.WriteLine($"{result.Rounds.Count} rounds, {result.Rounds.Sum(round => round.Steps)} steps, adapter in {output}");
        if (!result.Cancelled) return ExitCode.Success;
        Console.Error.WriteLine($"nlft: cancelled in round {result.Rounds.Count + 1} of {rounds.Rounds}: the training so far is saved in {output}."
            + (rounds.Folder is null ? "" : " The same command resumes it; add --overwrite."));
        return ExitCode.Cancelled;
    }

    /// <summary>Reports the share of the run that is done; every round has a line of its own.</summary>
    private sealed class Reports(IProgress<(double Share, string Words)> progress, ToolConsole console) : IProgress<OnPolicyProgress>
    {
        public void Report(OnPolicyProgress value)
        {
            var (share, words) = value switch
            {
                { Drawing: { Total: { } total } data } => (0.4 * data.Done / total, $"{data.Done} of {total} responses"),
                { Judging: { } data } => (0.4 + (0.1 * data.Done / Math.Max(1, data.Total ?? data.Done)),
                    $"{data.Correct} right, {data.Incorrect} wrong"),
                { Step: { } step } => (0.5 + (0.5 * step.Step / step.TotalSteps), Loss(step)),
                _ => (1, "done"),
            };
            progress.Report(((value.Round - 1 + share) / value.Rounds, $"round {value.Round} of {value.Rounds}, {words}"));
            if (value.Done is not { } done) return;
            console.Error.WriteLine(Line(done));
            if (done.SkippedSteps == 0) return;
            console.Error.WriteLine($"{done.SkippedSteps} steps of round {done.Round} were skipped: their loss or gradient was not finite.");
        }

        private static string Loss(Training.TrainingProgress step) =>
            string.Create(CultureInfo.InvariantCulture, $"step {step.Step} of {step.TotalSteps}, loss {step.Loss:0.0000}");

        private static string Line(OnPolicyRound round) => string.Create(CultureInfo.InvariantCulture,
            $"round {round.Round}: {round.Right} of {round.Drawn} responses right, {round.Wrong} wrong; {round.Rows} rows, {round.Steps} steps")
            + (round.Steps == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", loss {round.FirstLoss:0.0000} -> {round.LastLoss:0.0000}"));
    }
}
