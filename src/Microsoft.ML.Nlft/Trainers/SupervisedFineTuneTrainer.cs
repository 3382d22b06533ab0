using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Fine-tunes a language model to reproduce a target text for each question (supervised fine-tuning): the baseline beside natural language
/// fine-tuning.
/// </summary>
/// <remarks>
/// <para>Create it with <c>mlContext.Nlft().Trainers.SupervisedFineTune(...)</c>.</para>
/// <para><b>Input and output columns.</b> Reads text columns: question, target and optionally an instruction. Judgments and gold answers are
/// ignored. With the default column names, a view without responses may have any layout of <see cref="Data.TrainingFile"/>: question and answer;
/// prompt and completion; instruction, input and output; messages or conversations as JSON. The fitted transformer reads the question (and the
/// instruction) and writes a text column.</para>
/// <para><b>Trainer characteristics.</b> Trains a LoRA adapter on a frozen base model. Every row is read once, before training, and kept in
/// memory.</para>
/// <para><b>Training algorithm details.</b> The loss of a row is the mean of -log p over the target's tokens, unless
/// <see cref="Options.TokenObjective"/> says otherwise.</para>
/// </remarks>
public sealed class SupervisedFineTuneTrainer : IEstimator<TextGenerationTransformer>
{
    private readonly FineTuneTrainer _trainer;
    private readonly ITokenObjective _objective;

    internal SupervisedFineTuneTrainer(MLContext mlContext, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var columns = new TrainingColumns(options.QuestionColumnName, options.TargetColumnName, null, null, options.InstructionColumnName)
        {
            OrAnyLayout = options is { QuestionColumnName: ColumnNames.Question, TargetColumnName: ColumnNames.Response },
        };
        _trainer = new FineTuneTrainer(mlContext, options, columns);
        _objective = options.TokenObjective ?? new LikelihoodObjective();
    }

    /// <summary>Trains on the rows.</summary>
    /// <param name="input">At least one row with the configured columns.</param>
    /// <returns>The fine-tuned model; dispose it when it is no longer needed.</returns>
    /// <exception cref="NlftException">A column, a row, an option or the model folder cannot be used.</exception>
    /// <exception cref="OperationCanceledException">
    /// The run was cancelled and <see cref="Training.FineTuneOptions.ReturnPartialOnCancel"/> is false.
    /// </exception>
    public TextGenerationTransformer Fit(IDataView input) => _trainer.Fit(input, _objective);

    /// <summary>Checks the columns of a pipeline and adds the output column.</summary>
    /// <exception cref="NlftException">A column is missing or does not hold text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _trainer.GetOutputSchema(inputSchema);

    /// <summary>Options of the trainer.</summary>
    public sealed class Options : FineTuneTrainerOptions
    {
        /// <summary>
        /// Text column with what the model should learn to write: the model's own responses or the gold answers. Default "Response".
        /// </summary>
        public string TargetColumnName = ColumnNames.Response;

        /// <summary>
        /// Another objective that reads the question and the target alone: a <see cref="DynamicObjective"/>, an
        /// <see cref="EntropyAdaptiveObjective"/>, a <see cref="ProbabilityGuidedObjective"/>. Default null: the mean of -log p.
        /// </summary>
        public ITokenObjective? TokenObjective;
    }
}
