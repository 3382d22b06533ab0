using System.Globalization;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Nlft;

/// <summary>What the trainers share: loads the base model, trains it and wraps it in a transformer.</summary>
internal sealed class FineTuneTrainer
{
    private readonly MLContext _mlContext;
    private readonly IHost _host;
    private readonly FineTuneTrainerOptions _options;
    private readonly TrainingColumns _columns;
    private readonly int _drawnSeed;

    public FineTuneTrainer(MLContext mlContext, FineTuneTrainerOptions options, TrainingColumns columns)
    {
        (_mlContext, _options, _columns) = (mlContext, options, columns);
        _host = ((IHostEnvironment)mlContext).Register("Nlft");
        _drawnSeed = options.Seed ?? _host.Rand.Next();
        if (string.IsNullOrWhiteSpace(options.ModelFolder))
        {
            throw new NlftException("option ModelFolder", "an empty path", "the folder of a base model in Hugging Face layout",
                "Name a folder that holds config.json, the safetensors files and tokenizer.json.");
        }
        if (options.Training.Seed != new FineTuneOptions().Seed)
        {
            throw new NlftException("option Training.Seed", $"{options.Training.Seed}", "the seed in the trainer's own option Seed",
                "Set Seed beside Training: it also seeds the fresh adapter.");
        }
        columns.Names();
        Settings().Validate();
    }

    /// <summary>Trains on the rows of a view with an objective.</summary>
    public TextGenerationTransformer Fit(IDataView input, ITokenObjective objective)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Fit((channel, cancellation) =>
        {
            var rows = _columns.Read(input, "training rows", cancellation, out var layout);
            if (layout is not null) channel.Info(MessageSensitivity.None, $"The rows read as {layout}.");
            var validation = ReadValidationSet(view => _columns.Read(view, "validation rows", cancellation, out _));
            return (model, training) =>
            {
                var run = new TrainingRun(model, rows, objective, training, _options.TimeProvider, validation);
                channel.Info(MessageSensitivity.None, string.Create(CultureInfo.InvariantCulture,
                    $"{objective.Name}: {run.Description.Rows} rows, {HeldOut(run.Description)}{training.Epochs} epochs, seed {training.Seed}."));
                channel.Info(MessageSensitivity.None, $"Rows to train on:\n{run.Data}");
                var result = run.Run(new ChannelProgress(channel, _options.Progress), cancellation, _options.Monitor);
                Report(result, channel);
                return (result, run.Card(result), run.SaliencyMap(result));
            };
        });
    }

    /// <summary>Loads the base model, trains it and wraps it.</summary>
    /// <param name="prepare">Reads the rows and returns what trains a model on them, so that bad rows are refused before the model is loaded.</param>
    public TextGenerationTransformer Fit(Func<IChannel, CancellationToken,
        Func<LocalModel, FineTuneOptions, (FineTuneResult? Result, ModelCard Card, SaliencyMap? Map)>> prepare)
    {
        SavedModel.RequireBase(_options.ModelFolder);
        var cancellation = _options.CancellationToken;
        using var channel = _host.Start("Training");
        var train = prepare(channel, cancellation);
        var communicator = Communicator.Current;
        var training = _options.Training with { Seed = SeedOf(_options.Training.Distributed ? communicator : Communicator.Single) };
        LocalModel? model = null;
        try
        {
            model = LocalModel.Load(_options.ModelFolder, new LocalModelOptions
            {
                Engine = EngineChoice.Of(_mlContext, _options.Engine),
                BaseModelName = _options.BaseModelName,
                Lora = _options.Lora,
                Trainable = TrainableWeights.Lora,
                Prompts = _options.Prompts,
                Seed = training.Seed,
                Communicator = communicator,
            }, cancellation);
            var (result, card, map) = train(model, training);
            return new TextGenerationTransformer(model, model.ExportAdapter(), Settings(), result, card)
            {
                TrainingMap = map,
                Distributed = training.Distributed,
            };
        }
        catch
        {
            model?.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Returns the output schema. The output column has the question's type, so its shape equals that of a copy of the question column.
    /// </summary>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return _mlContext.Transforms.CopyColumns(_options.OutputColumnName, _columns.Check(inputSchema)).GetOutputSchema(inputSchema);
    }

    /// <summary>Draws a seed; processes that train together all use that of process 0.</summary>
    private int SeedOf(Communicator processes) => _options.Seed ?? BitConverter.ToInt32(processes.Broadcast(BitConverter.GetBytes(_drawnSeed)));

    /// <summary>Reads the held-out rows; null: none are given.</summary>
    public IReadOnlyList<T>? ReadValidationSet<T>(Func<IDataView, IReadOnlyList<T>> read)
    {
        if (_options.ValidationSet is not { } view) return null;
        try
        {
            return read(view);
        }
        catch (NlftException e)
        {
            throw new NlftException($"option ValidationSet, {e.Subject}", e.Found, e.Expected, e.Remedy, e);
        }
    }

    private static string HeldOut(RunDescription run) => run.ValidationRows == 0 ? "" : $"{run.ValidationRows} held out, ";

    private static void Report(FineTuneResult result, IChannel channel)
    {
        if (result.ResumedSteps > 0) channel.Info(MessageSensitivity.None, $"Resumed after step {result.ResumedSteps}.");
        if (result.SkippedSteps > 0)
            channel.Warning(MessageSensitivity.None, $"{result.SkippedSteps} steps were skipped: their loss or gradient was not finite.");
        if (result.DescribeValidation() is { } best) channel.Info(MessageSensitivity.None, best);
        if (result.Cancelled)
        {
            channel.Warning(MessageSensitivity.None,
                $"Training was cancelled after {result.Steps.Count} steps; the model is returned as it was then.");
        }
    }

    private LocalModelSettings Settings() => new()
    {
        QuestionColumnName = _options.QuestionColumnName,
        InstructionColumnName = _options.InstructionColumnName,
        OutputColumnName = _options.OutputColumnName,
        Generation = _options.Generation,
        Prompts = _options.Prompts,
    };

    /// <summary>Writes one log line per step, then calls the user's listener.</summary>
    internal sealed class ChannelProgress(IChannel channel, IProgress<TrainingProgress>? next) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            channel.Info(MessageSensitivity.None, Line(value));
            foreach (var line in value.Validation.SelectMany(report => report.Lines())) channel.Info(MessageSensitivity.UserData, line);
            next?.Report(value);
        }

        private static string Line(TrainingProgress p) => string.Create(CultureInfo.InvariantCulture,
            $"Step {p.Step} of {p.TotalSteps}, epoch {p.Epoch:0.00}: loss {p.Loss:0.0000}, token accuracy {p.TokenAccuracy:0.000}, " +
            $"salient share {p.SalientShare:0.000}, gradient norm {p.GradientNorm:0.000}, learning rate {p.LearningRate:0.00e+0}, " +
            $"{p.TokensPerSecond:0} tokens/s, {p.Remaining:hh\\:mm\\:ss} left.{(p.SlowProcess is { } slow ? $" {slow}." : "")}");
    }
}
