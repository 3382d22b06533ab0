using System.CommandLine;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Display;
using Microsoft.ML.Nlft.Tool.Options;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft train: trains a LoRA adapter, or a whole model, on rows.</summary>
internal sealed class TrainCommand : ToolCommand
{
    /// <summary>Name of the file with the run's options, written beside the trained model; --options reads it.</summary>
    public const string OptionsFileName = "nlft-options.json";

    private readonly ModelArguments _model;
    private readonly DataArguments _data;
    private readonly MonitorArguments _monitors;
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "Folder for the adapter, or for the whole model with --weights all.",
        HelpName = "FOLDER",
        Required = true,
    };
    private readonly Option<string> _validation = new("--validation")
    {
        Description = "Rows to hold out and evaluate during training, in the form of --data; --validation-share takes them from --data instead.",
        HelpName = "FILE",
    };
    private readonly Option<bool> _overwrite = new("--overwrite")
    {
        Description = "Replace the files of a model that --output holds already. A resumed run (--resume-from) may without it.",
    };
    private readonly Option<string> _baseName = new("--base-model-name")
    {
        Description = "Name of the base model in adapter_config.json and the card: organisation/name on the hub. "
            + "Default: the hub name if it is known, else the folder's own name.",
        HelpName = "NAME",
    };
    private readonly JsonArgument _json;
    private readonly MethodArguments _method;
    private readonly Option<string> _weights = new("--weights")
    {
        Description = "Weights to train: lora or all; all needs 16 bytes per parameter. Default lora.",
        HelpName = "lora|all",
    };

    public TrainCommand(ToolConsole console) : base(console, "train", "Fine-tunes a model on rows of questions, responses, judgments and answers.",
        nameof(ToolOptions.FineTune), nameof(ToolOptions.Lora), nameof(ToolOptions.Objective), nameof(ToolOptions.SelfDistillation),
        nameof(ToolOptions.Prompts),
        nameof(ToolOptions.Columns), nameof(ToolOptions.Engine))
    {
        _model = new ModelArguments(console, this);
        _data = new DataArguments(console, this, trains: true);
        _weights.AcceptOnlyFromAmong("lora", "all");
        Add(_output);
        Add(_validation);
        Add(_overwrite);
        Add(_baseName);
        _json = new JsonArgument(console, this);
        _method = new MethodArguments(this, string.Join("; ", TrainingMethod.All.Select(method => $"{method.Name}: {method.What}"))
            + ". Default: nlft for rows with responses and answers, else sft.", inRounds: false);
        Add(_weights);
        _monitors = new MonitorArguments(console, this);
        AddGeneratedFlags();
        Validators.Add(result =>
        {
            if (result.WordAfter(_weights) == "all" && _model.AdapterGiven(result))
                result.AddError("--weights all trains the model itself: leave --adapter out, or merge it first.");
        });
    }

    protected override ToolOptions Defaults(ParseResult parsed) =>
        _method.RecipeOf(parsed) is { } recipe ? _model.Defaults(parsed) with { FineTune = recipe.Training } : _model.Defaults(parsed);

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var trainable = parsed.GetValue(_weights) == "all" ? TrainableWeights.All : TrainableWeights.Lora;
        var data = _data.ReadTraining(parsed, options, _method.IsSupervised(parsed));
        var (rows, supervised) = (data.Rows, data.IsSupervised);
        var objective = _method.Objective(parsed, supervised, options);
        var validation = parsed.GetValue(_validation) is { } file ? _data.ReadTraining(file, parsed, options, supervised).Examples() : null;
        var output = Console.PathOf(parsed.GetValue(_output)!);
        OutputFolder.Require(output);
        _data.RequireOutput(parsed, _monitors.Map(parsed), "--map");
        var settings = new LocalModelSettings
        {
            QuestionColumnName = options.Columns.Question, Generation = options.Generation, Prompts = options.Prompts,
        };
        settings.Validate();
        var examples = data.Examples();
        var report = DataReport.Of(examples); // before the model is loaded
        if (!options.FineTune.SkipUnusableRows) report.RequireResponses();
        if (!options.FineTune.AllowContradictions) report.RequireNoContradictions();
        using var model = _model.Open(parsed, options, trainable, cancellationToken, parsed.GetValue(_baseName));
        using var place = OutputFolder.Lock(Console, model, output, parsed.GetValue(_overwrite) || options.FineTune.ResumeFrom is not null);
        var training = _monitors.Record(parsed, options.FineTune, rows.Count, objective) with
        {
            ReturnPartialOnCancel = true,
            CheckpointFolder = Resolve(options.FineTune.CheckpointFolder),
            ResumeFrom = Resolve(options.FineTune.ResumeFrom),
        };
        // refuses bad input before anything is printed
        var run = new TrainingRun(model, examples, objective, training, Console.Time, validation);
        _data.Say(parsed, data);
        var heldOut = run.Description.ValidationRows is var held and > 0 ? $", {held} rows held out" : "";
        Console.Error.WriteLine(
            $"{objective.Name}: {rows.Count} rows ({rows.Count(row => row.Judgment is not null)} with a judgment){heldOut}, "
            + $"model {model.Folder.Path}.");
        Console.Error.Write(run.Data);
        var ranks = training.Distributed ? model.Communicator : Communicator.Single;
        if (ranks.Size > 1) Console.Error.WriteLine($"{ranks.Size} processes train together ({ranks.Library}).");
        var result = ProgressDisplay.Run(Console, "Training", progress =>
        {
            using var monitors = ranks.IsFirst
                ? _monitors.Create(parsed, new Steps(progress, Console, _json.Given(parsed) ? Console.Out : null)) : null;
            return run.Run(cancellationToken: cancellationToken, monitor: monitors?.All);
        });
        if (Console.ErrorIsTerminal) Steps.Say(result.Validation, Console); // elsewhere each was said at its time
        if (result.DescribeValidation() is { } best) Console.Error.WriteLine(best);
        if (training.ResumeFrom is { } from)
        {
            Console.Error.WriteLine(result.ResumedSteps > 0 ? $"Resumed after step {result.ResumedSteps}."
                : $"There was no checkpoint in {from}: the run started from the beginning.");
        }
        if (result.SkippedSteps > 0) Console.Error.WriteLine($"{result.SkippedSteps} steps were skipped: their loss or gradient was not finite.");
        if (result.Steps.Count == 0 && !result.Cancelled)
        {
            throw new NlftException("the training", $"{result.SkippedSteps} steps, all of them skipped", "at least one with finite numbers",
                "Lower --learning-rate, or check the model's weights.");
        }
        if (result.Cancelled && result.Steps.Count == 0)
        {
            Console.Error.WriteLine("nlft: cancelled before the first step was complete: nothing was written.");
            return Task.FromResult(ExitCode.Cancelled);
        }

        ranks.OnFirst($"writing {output}", () =>
        {
            if (trainable == TrainableWeights.All) SaveAllWeights(model, output); // a card describes adapters and merged models only
            else model.Save(output, settings, run.Card(result));
            var again = options with { FineTune = options.FineTune with { ResumeFrom = null } };
            RowWriter.Write(Path.Combine(output, OptionsFileName), [OptionsFile.Write(again).TrimEnd()]);
        });
        var what = trainable == TrainableWeights.All ? "model" : "adapter";
        if (_json.Given(parsed))
        {
            _json.Write(("event", "end"), ("steps", result.Steps.Count), ("totalSteps", result.Steps[^1].TotalSteps),
                ("loss", result.Steps[^1].Loss), ("cancelled", result.Cancelled), ("resumedSteps", result.ResumedSteps),
                ("skippedSteps", result.SkippedSteps), ("output", output));
        }
        else
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{result.Steps.Count} steps, last loss {result.Steps[^1].Loss:0.0000}, {what} in {output}"));
        }
        if (!result.Cancelled) return Task.FromResult(ExitCode.Success);
        var remedy = training.CheckpointFolder is { } folder ? $" To resume, run it again with --resume-from {folder}." : "";
        Console.Error.WriteLine(
            $"nlft: cancelled after step {result.Steps.Count} of {result.Steps[^1].TotalSteps}: "
            + $"the training so far is saved in {output}.{remedy}");
        return Task.FromResult(ExitCode.Cancelled);
    }

    private string? Resolve(string? path) => path is null ? null : Console.PathOf(path);

    private static void SaveAllWeights(LocalModel model, string output)
    {
        var weights = model.Network.Export(ModelState.Weights).ToDictionary(tensor => tensor.Name, tensor => tensor.Values);
        ModelFolderWriter.Copy(output, model.Folder, tensor => weights.GetValueOrDefault(tensor.Name));
    }

    /// <summary>Reports a training step as a share and a short text.</summary>
    private sealed class Steps(IProgress<(double Share, string Words)> progress, ToolConsole console, TextWriter? json) : ITrainingMonitor
    {
        private string _validation = "";

        /// <summary>Prints evaluations with their sample answers.</summary>
        public static void Say(IEnumerable<ValidationReport> reports, ToolConsole console)
        {
            foreach (var line in reports.SelectMany(report => report.Lines())) console.Error.WriteLine($"Training: {line}");
        }

        public void Report(TrainingProgress value)
        {
            if (value.Validation is [.., var last]) _validation = string.Create(CultureInfo.InvariantCulture, $", validation {last.Loss:0.0000}");
            if (!console.ErrorIsTerminal) Say(value.Validation, console);
            if (json is not null) Write(json, value);
            progress.Report(((double)value.Step / value.TotalSteps, Words(value) + (value.SlowProcess is { } slow ? $"; {slow}" : "")));
        }

        private static void Write(TextWriter json, TrainingProgress value)
        {
            JsonLine.Write(json, ("event", "step"), ("step", value.Step), ("totalSteps", value.TotalSteps), ("epoch", value.Epoch),
                ("loss", value.Loss), ("tokenAccuracy", value.TokenAccuracy), ("salientShare", value.SalientShare),
                ("gradientNorm", value.GradientNorm), ("learningRate", value.LearningRate), ("tokensSeen", value.TokensSeen),
                ("tokensPerSecond", value.TokensPerSecond), ("secondsLeft", value.Remaining.TotalSeconds));
            foreach (var report in value.Validation)
            {
                JsonLine.Write(json, ("event", "validation"), ("step", report.Step), ("epoch", report.Epoch), ("loss", report.Loss),
                    ("accuracy", report.Accuracy), ("isBest", report.IsBest));
            }
        }

        /// <summary>The most important first: a bar shows what fits.</summary>
        private string Words(TrainingProgress p) => string.Create(CultureInfo.InvariantCulture,
            $"step {p.Step} of {p.TotalSteps}, loss {p.Loss:0.0000}{_validation}{Salient(p)}, "
            + $"token accuracy {100 * p.TokenAccuracy:0} %, {p.TokensPerSecond:0} tokens/s");

        private string Salient(TrainingProgress p) =>
            console.ErrorIsTerminal ? string.Create(CultureInfo.InvariantCulture, $", salient {100 * p.SalientShare:0} %") : "";
    }
}
