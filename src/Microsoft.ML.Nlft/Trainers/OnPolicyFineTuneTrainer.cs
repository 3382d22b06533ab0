using System.Globalization;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Recipes;
using Microsoft.ML.Nlft.Views;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Fine-tunes a language model in rounds: it responds to the questions, a judge reads the responses, and it trains on those that are kept.
/// </summary>
/// <remarks>
/// <para>Create it with <c>mlContext.Nlft().Trainers.OnPolicyFineTune(...)</c>.</para>
/// <para><b>Input and output columns.</b> Reads text columns: question, answer (the gold answer) and optionally an instruction; no responses. The
/// fitted transformer reads the question (and the instruction) and writes a text column.</para>
/// <para><b>Trainer characteristics.</b> Trains a LoRA adapter on a frozen base model. Every row is read once, before training, and kept in
/// memory.</para>
/// <para><b>Training algorithm details.</b> See <see cref="OnPolicyRun"/>; expert iteration and rationalisation are settings of
/// <see cref="OnPolicyOptions"/>.</para>
/// </remarks>
public sealed class OnPolicyFineTuneTrainer : IEstimator<TextGenerationTransformer>
{
    private readonly FineTuneTrainer _trainer;
    private readonly TrainingColumns _columns;
    private readonly Options _options;

    internal OnPolicyFineTuneTrainer(MLContext mlContext, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _columns = new TrainingColumns(options.QuestionColumnName, null, null, options.AnswerColumnName, options.InstructionColumnName);
        _trainer = new FineTuneTrainer(mlContext, options, _columns);
        if (options.ValidationSet is not null)
            throw new NlftException("option ValidationSet", "a view", "none", "Evaluate the fitted model instead: rounds have no validation.");
    }

    /// <summary>Trains in rounds.</summary>
    /// <param name="input">At least one row with the configured columns.</param>
    /// <returns>The fine-tuned model; dispose it when it is no longer needed.</returns>
    /// <exception cref="NlftException">
    /// A column, a row, an option or the model folder cannot be used, a response cannot be judged, or no round had a row to train on.
    /// </exception>
    /// <exception cref="OperationCanceledException">
    /// The run was cancelled and <see cref="Training.FineTuneOptions.ReturnPartialOnCancel"/> is false.
    /// </exception>
    public TextGenerationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return _trainer.Fit((channel, cancellation) =>
        {
            var questions = RowViews.Read(input, _columns, cancellation);
            return (model, training) =>
            {
                var run = new OnPolicyRun(model, questions, _options.Judge ?? new RuleBasedJudge(),
                    _options.TokenObjective ?? new NaturalLanguageObjective(), _options.Rounds with { Training = training }, _options.TimeProvider);
                var result = run.RunAsync(new ChannelProgress(channel, _options), cancellation).GetAwaiter().GetResult();
                if (result.Cancelled)
                {
                    channel.Warning(MessageSensitivity.None,
                        $"Training was cancelled in round {result.Rounds.Count + 1}; the model is returned as it was then.");
                }
                return (result.LastTraining, run.Card(result), null);
            };
        });
    }

    /// <summary>Checks the columns of a pipeline and adds the output column.</summary>
    /// <exception cref="NlftException">A column is missing or does not hold text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _trainer.GetOutputSchema(inputSchema);

    /// <summary>Options of the trainer.</summary>
    public sealed class Options : FineTuneTrainerOptions
    {
        /// <summary>Creates options with their defaults.</summary>
        public Options()
        {
        }

        /// <summary>Creates options that train by a recipe.</summary>
        /// <param name="recipe">A recipe in rounds.</param>
        /// <exception cref="NlftException">The recipe has no rounds.</exception>
        public Options(Recipe recipe)
        {
            ArgumentNullException.ThrowIfNull(recipe);
            Rounds = recipe.Rounds ?? throw new NlftException("the recipe", recipe.Name, "one in rounds, as rejection-sampling",
                "Train by it with NaturalLanguageFineTune.");
            (Training, TokenObjective) = (recipe.Training, recipe.Objective);
        }

        /// <summary>Text column with the gold answers. Default "Answer".</summary>
        public string AnswerColumnName = ColumnNames.Answer;

        /// <summary>
        /// Rounds, steps, how responses are drawn and which are kept. Its <see cref="OnPolicyOptions.Training"/> is replaced by that of the trainer.
        /// </summary>
        public OnPolicyOptions Rounds = new();

        /// <summary>Judges the responses. Default null: by rule (<see cref="RuleBasedJudge"/>).</summary>
        public IResponseJudge? Judge;

        /// <summary>What is trained. Default null: a <see cref="NaturalLanguageObjective"/>.</summary>
        public ITokenObjective? TokenObjective;

        /// <summary>Receives reports from within the rounds, on the training thread. Default null.</summary>
        public IProgress<OnPolicyProgress>? RoundProgress;
    }

    /// <summary>Writes a log line per step and round, then calls the user's listeners.</summary>
    private sealed class ChannelProgress(IChannel channel, Options options) : IProgress<OnPolicyProgress>
    {
        private readonly FineTuneTrainer.ChannelProgress _steps = new(channel, options.Progress);

        public void Report(OnPolicyProgress value)
        {
            if (value.Step is { } step) _steps.Report(step);
            if (value.Done is { } done)
            {
                channel.Info(MessageSensitivity.None, string.Create(CultureInfo.InvariantCulture,
                    $"Round {done.Round} of {value.Rounds}: {done.Right} of {done.Drawn} responses right, {done.Wrong} wrong; {done.Rows} rows, "
                    + $"{done.Steps} steps."));
                if (done.SkippedSteps > 0)
                {
                    channel.Warning(MessageSensitivity.None,
                        $"{done.SkippedSteps} steps of round {done.Round} were skipped: their loss or gradient was not finite.");
                }
            }
            options.RoundProgress?.Report(value);
        }
    }
}
