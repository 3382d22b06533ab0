using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Recipes;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Fine-tunes a language model on its own responses with judgments in plain words (Natural Language Fine-Tuning, arXiv 2412.20382).
/// </summary>
/// <remarks>
/// <para>Create it with <c>mlContext.Nlft().Trainers.NaturalLanguageFineTune(...)</c>.</para>
/// <para><b>Input and output columns.</b> Reads text columns: question, response (written by the model earlier), judgment (why the response is wrong;
/// empty when it is right), answer (the gold answer) and optionally an instruction. The fitted transformer reads the question (and the instruction)
/// and writes a text column.</para>
/// <para><b>Trainer characteristics.</b> Trains a LoRA adapter on a frozen base model. Every row is read once, before training, and kept in memory.
/// Needs no normalisation and no caching.</para>
/// <para><b>Training algorithm details.</b> Each response is scored in up to three contexts: the question alone, with the judgment, and with the gold
/// answer. Tokens that the judgment makes likelier are made less likely; tokens that the gold answer confirms are reinforced. See <see
/// cref="NaturalLanguageObjective"/>.</para>
/// </remarks>
public sealed class NaturalLanguageFineTuneTrainer : IEstimator<TextGenerationTransformer>
{
    private readonly FineTuneTrainer _trainer;
    private readonly ITokenObjective _objective;

    internal NaturalLanguageFineTuneTrainer(MLContext mlContext, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var columns = new TrainingColumns(options.QuestionColumnName, options.ResponseColumnName, options.JudgmentColumnName,
            options.AnswerColumnName, options.InstructionColumnName);
        _trainer = new FineTuneTrainer(mlContext, options, columns);
        _objective = options.TokenObjective ?? new NaturalLanguageObjective(options.Objective);
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
        /// <summary>Creates options with their defaults.</summary>
        public Options()
        {
        }

        /// <summary>Creates options that train by a recipe.</summary>
        /// <param name="recipe">A recipe without rounds.</param>
        /// <exception cref="NlftException">The recipe trains in rounds.</exception>
        public Options(Recipe recipe)
        {
            ArgumentNullException.ThrowIfNull(recipe);
            if (recipe.Rounds is not null)
                throw new NlftException("the recipe", recipe.Name, "one without rounds, as judged-solutions", "Train by it with OnPolicyFineTune.");
            (Training, TokenObjective) = (recipe.Training, recipe.Objective);
        }

        /// <summary>Text column with the responses that the model wrote earlier. Default "Response".</summary>
        public string ResponseColumnName = ColumnNames.Response;

        /// <summary>Text column that says why a response is wrong; empty where it is right. Default "Judgment".</summary>
        public string JudgmentColumnName = ColumnNames.Judgment;

        /// <summary>Text column with the gold answers. Default "Answer".</summary>
        public string AnswerColumnName = ColumnNames.Answer;

        /// <summary>Thresholds and weights of the objective. Default as published, with the departures that the user guide lists.</summary>
        public NaturalLanguageObjectiveOptions Objective = new();

        /// <summary>
        /// Another objective over the same columns in place of NLFT, for example a <see cref="SelfDistillationObjective"/> or a
        /// <see cref="ContrastiveUnlikelihoodObjective"/>; <see cref="Objective"/> then has no effect. Default null.
        /// </summary>
        public ITokenObjective? TokenObjective;
    }
}
