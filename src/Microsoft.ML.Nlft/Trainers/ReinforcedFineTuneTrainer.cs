using System.Globalization;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Views;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Fine-tunes a language model by reinforcement: it responds to questions, and what earned more than expected becomes likelier (ReFT, arXiv
/// 2401.08967).
/// </summary>
/// <remarks>
/// <para>Create it with <c>mlContext.Nlft().Trainers.ReinforcedFineTune(...)</c>.</para>
/// <para><b>Input and output columns.</b> Reads text columns: question, answer (the gold answer, best a worked solution, which the warm-up learns)
/// and optionally an instruction. The fitted transformer reads the question (and the instruction) and writes a text column.</para>
/// <para><b>Trainer characteristics.</b> Trains a LoRA adapter on a frozen base model. Every row is read once, before training, and kept in
/// memory.</para>
/// <para><b>Training algorithm details.</b> See <see cref="ReinforcedRun"/>.</para>
/// </remarks>
public sealed class ReinforcedFineTuneTrainer : IEstimator<TextGenerationTransformer>
{
    private readonly FineTuneTrainer _trainer;
    private readonly TrainingColumns _columns;
    private readonly Options _options;

    internal ReinforcedFineTuneTrainer(MLContext mlContext, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _columns = new TrainingColumns(options.QuestionColumnName, null, null, options.AnswerColumnName, options.InstructionColumnName);
        _trainer = new FineTuneTrainer(mlContext, options, _columns);
    }

    /// <summary>Trains the model.</summary>
    /// <param name="input">At least one row with the configured columns.</param>
    /// <returns>The fine-tuned model; dispose it when it is no longer needed.</returns>
    /// <exception cref="NlftException">A column, a row, an option or the model folder cannot be used.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled; its folder keeps the work.</exception>
    public TextGenerationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return _trainer.Fit((channel, cancellation) =>
        {
            var rows = RowViews.Read(input, _columns, cancellation);
            var heldOut = _trainer.ReadValidationSet(view => RowViews.Read(view, _columns, cancellation));
            return (model, training) =>
            {
                var run = new ReinforcedRun(model, rows, _options.Reinforcement with { Seed = training.Seed }, heldOut, _options.Reward,
                    _options.TimeProvider);
                var result = run.Run(new ChannelProgress(channel, _options.BatchProgress), cancellation);
                return (null, run.Card(result), null);
            };
        });
    }

    /// <summary>Checks the columns of a pipeline and adds the output column.</summary>
    /// <exception cref="NlftException">A column is missing or does not hold text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _trainer.GetOutputSchema(inputSchema);

    /// <summary>Options of the trainer. <see cref="FineTuneTrainerOptions.Training"/> has no part in it.</summary>
    public sealed class Options : FineTuneTrainerOptions
    {
        /// <summary>Text column with the gold answers. Default "Answer".</summary>
        public string AnswerColumnName = ColumnNames.Answer;

        /// <summary>Warm-up, batches, losses. Its seed is that of the trainer.</summary>
        public ReinforcedOptions Reinforcement = new();

        /// <summary>Scores the responses. Default null: by the final number (<see cref="FinalNumberReward"/>).</summary>
        public IResponseReward? Reward;

        /// <summary>Receives a report after every batch, on the training thread. Default null.</summary>
        public IProgress<ReinforcedProgress>? BatchProgress;
    }

    /// <summary>Writes a log line per batch, then calls the user's listener.</summary>
    private sealed class ChannelProgress(IChannel channel, IProgress<ReinforcedProgress>? next) : IProgress<ReinforcedProgress>
    {
        public void Report(ReinforcedProgress value)
        {
            channel.Info(MessageSensitivity.None, string.Create(CultureInfo.InvariantCulture,
                $"Batch {value.Batch} of {value.Batches}: reward {value.Reward:0.000}, right {100 * value.RightShare:0} %, divergence " +
                $"{value.Divergence:0.0000}, policy loss {value.PolicyLoss:0.0000}, value loss {value.ValueLoss:0.0000}, " +
                $"{value.Remaining:hh\\:mm\\:ss} left."));
            next?.Report(value);
        }
    }
}
