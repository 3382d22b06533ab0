using System.Globalization;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;
using Microsoft.ML.Nlft.Views;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Nlft;

/// <summary>What both trainers do: rows to examples, examples through the training loop, the trained model into a transformer.</summary>
internal sealed class FineTuneJob
{
    private readonly MLContext _mlContext;
    private readonly IHost _host;
    private readonly FineTuneTrainerOptions _options;
    private readonly TrainingColumns _columns;
    private readonly ITokenObjective _objective;
    private readonly int _seed;

    public FineTuneJob(MLContext mlContext, FineTuneTrainerOptions options, TrainingColumns columns, ITokenObjective objective)
    {
        (_mlContext, _options, _columns, _objective) = (mlContext, options, columns, objective);
        _host = ((IHostEnvironment)mlContext).Register("Nlft");
        // A seed that is drawn must be the same for all who train together: that of process 0.
        _seed = options.Seed ?? BitConverter.ToInt32((options.Distributed ? Communicator.Current : Communicator.Single).Broadcast(BitConverter.GetBytes(_host.Rand.Next())));
        if (string.IsNullOrWhiteSpace(options.ModelFolder))
            throw new NlftException("option ModelFolder", "an empty path", "the folder of a base model in Hugging Face layout",
                "Name a folder that holds config.json, the safetensors files and tokenizer.json.");
        columns.Names();
        Settings().Validate();
    }

    public TextGenerationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        SavedModel.RequireBase(_options.ModelFolder);
        var cancellation = _options.CancellationToken;
        using var channel = _host.Start("Training");
        var rows = _columns.Read(input, cancellation);
        LocalModel? model = null;
        try
        {
            model = LocalModel.Load(_options.ModelFolder, new LocalModelOptions
            {
                Engine = EngineChoice.Of(_mlContext, _options.Engine),
                Lora = _options.Lora,
                Trainable = TrainableWeights.Lora,
                Prompts = _options.Prompts,
                Seed = _seed,
            }, cancellation);
            channel.Info(MessageSensitivity.None, string.Create(CultureInfo.InvariantCulture,
                $"{_objective.Name}: {rows.Count} rows, {_options.Epochs} epochs, seed {_seed}."));
            var progress = new ChannelProgress(channel, _options.Progress);
            var training = _options.ToFineTuneOptions(_seed);
            var result = model.FineTune(rows, _objective, training, progress, cancellation);
            if (result.ResumedSteps > 0) channel.Info(MessageSensitivity.None, $"Went on after step {result.ResumedSteps}.");
            if (result.SkippedSteps > 0) channel.Warning(MessageSensitivity.None, $"{result.SkippedSteps} steps were skipped: their loss or gradient was not finite.");
            if (result.Cancelled)
                channel.Warning(MessageSensitivity.None,
                    $"Training was cancelled after {result.Steps.Count} steps; the model is returned as it stood then.");
            var card = model.CreateCard(rows, _objective, training, result, DateOnly.FromDateTime(_options.TimeProvider.GetUtcNow().UtcDateTime));
            var map = _objective is NaturalLanguageObjective language && result.Recorded.Count > 0
                ? model.CreateSaliencyMap([.. training.RecordedRows.Select(row => rows[row])], language.Options, result.Recorded) : null;
            return new TextGenerationTransformer(model, model.ExportAdapter(), Settings(), result, card) { TrainingMap = map, Distributed = _options.Distributed };
        }
        catch
        {
            model?.Dispose();
            throw;
        }
    }

    /// <summary>The output column has the question's type, so the shape is the one that copying the question column there would give.</summary>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        foreach (var name in _columns.Names()) TextColumns.Check(inputSchema, name);
        return _mlContext.Transforms.CopyColumns(_options.OutputColumnName, _columns.Question).GetOutputSchema(inputSchema);
    }

    private LocalModelSettings Settings() => new()
    {
        QuestionColumnName = _options.QuestionColumnName,
        InstructionColumnName = _options.InstructionColumnName,
        OutputColumnName = _options.OutputColumnName,
        Generation = _options.Generation,
        Prompts = _options.Prompts,
    };

    /// <summary>One log line per step, then the user's own listener.</summary>
    private sealed class ChannelProgress(IChannel channel, IProgress<TrainingProgress>? next) : ITrainingMonitor
    {
        public void Begin(TrainingRun run) => (next as ITrainingMonitor)?.Begin(run);

        public void End(FineTuneResult? result) => (next as ITrainingMonitor)?.End(result);

        public void Report(TrainingProgress value)
        {
            channel.Info(MessageSensitivity.None, Line(value));
            next?.Report(value);
        }

        private static string Line(TrainingProgress p) => string.Create(CultureInfo.InvariantCulture,
            $"Step {p.Step} of {p.TotalSteps}, epoch {p.Epoch:0.00}: loss {p.Loss:0.0000}, token accuracy {p.TokenAccuracy:0.000}, " +
            $"salient share {p.SalientShare:0.000}, gradient norm {p.GradientNorm:0.000}, learning rate {p.LearningRate:0.00e+0}, " +
            $"{p.TokensPerSecond:0} tokens/s, {p.Remaining:hh\\:mm\\:ss} left.{(p.SlowProcess is { } slow ? $" {slow}." : "")}");
    }
}
