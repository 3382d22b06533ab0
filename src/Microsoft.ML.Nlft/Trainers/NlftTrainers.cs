namespace Microsoft.ML.Nlft;

/// <summary>The trainers of <c>mlContext.Nlft().Trainers</c>.</summary>
public sealed class NlftTrainers
{
    private readonly MLContext _mlContext;

    internal NlftTrainers(MLContext mlContext) => _mlContext = mlContext;

    /// <summary>Creates a trainer for Natural Language Fine-Tuning with the published settings.</summary>
    /// <param name="modelFolder">Folder of the base model in Hugging Face layout.</param>
    /// <param name="questionColumnName">Text column with the questions.</param>
    /// <param name="responseColumnName">Text column with the responses that the model wrote earlier.</param>
    /// <param name="judgmentColumnName">Text column that says why a response is wrong; empty where it is right.</param>
    /// <param name="answerColumnName">Text column with the gold answers.</param>
    /// <param name="outputColumnName">Column that the fine-tuned model writes its answers to.</param>
    /// <param name="epochs">Passes over the rows, 1 or more.</param>
    /// <param name="learningRate">Peak learning rate, above 0.</param>
    /// <param name="batchSize">Rows per optimizer step, 1 or more.</param>
    /// <param name="validationSet">Rows to hold out and evaluate during training, with the same columns; null: none.</param>
    /// <exception cref="NlftException">A column name is empty or used twice.</exception>
    public NaturalLanguageFineTuneTrainer NaturalLanguageFineTune(
        string modelFolder, string questionColumnName = ColumnNames.Question, string responseColumnName = ColumnNames.Response,
        string judgmentColumnName = ColumnNames.Judgment, string answerColumnName = ColumnNames.Answer,
        string outputColumnName = ColumnNames.GeneratedAnswer, int epochs = 10, double learningRate = 5e-5, int batchSize = 4,
        IDataView? validationSet = null) =>
        NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
        {
            ModelFolder = modelFolder,
            QuestionColumnName = questionColumnName,
            ResponseColumnName = responseColumnName,
            JudgmentColumnName = judgmentColumnName,
            AnswerColumnName = answerColumnName,
            OutputColumnName = outputColumnName,
            Training = new() { Epochs = epochs, LearningRate = learningRate, BatchSize = batchSize },
            ValidationSet = validationSet,
        });

    /// <summary>Creates a trainer for Natural Language Fine-Tuning with all its options.</summary>
    /// <param name="options">The options; <see cref="FineTuneTrainerOptions.ModelFolder"/> must be set.</param>
    /// <exception cref="NlftException">A column name is empty or used twice.</exception>
    public NaturalLanguageFineTuneTrainer NaturalLanguageFineTune(NaturalLanguageFineTuneTrainer.Options options) => new(_mlContext, options);

    /// <summary>Creates a trainer for supervised fine-tuning: the baseline that learns to reproduce a column.</summary>
    /// <param name="modelFolder">Folder of the base model in Hugging Face layout.</param>
    /// <param name="questionColumnName">Text column with the questions.</param>
    /// <param name="targetColumnName">Text column with what the model should learn to write.</param>
    /// <param name="outputColumnName">Column that the fine-tuned model writes its answers to.</param>
    /// <param name="epochs">Passes over the rows, 1 or more.</param>
    /// <param name="learningRate">Peak learning rate, above 0.</param>
    /// <param name="batchSize">Rows per optimizer step, 1 or more.</param>
    /// <param name="validationSet">Rows to hold out and evaluate during training, with the same columns; null: none.</param>
    /// <exception cref="NlftException">A column name is empty or used twice.</exception>
    public SupervisedFineTuneTrainer SupervisedFineTune(
        string modelFolder, string questionColumnName = ColumnNames.Question, string targetColumnName = ColumnNames.Response,
        string outputColumnName = ColumnNames.GeneratedAnswer, int epochs = 10, double learningRate = 5e-5, int batchSize = 4,
        IDataView? validationSet = null) =>
        SupervisedFineTune(new SupervisedFineTuneTrainer.Options
        {
            ModelFolder = modelFolder,
            QuestionColumnName = questionColumnName,
            TargetColumnName = targetColumnName,
            OutputColumnName = outputColumnName,
            Training = new() { Epochs = epochs, LearningRate = learningRate, BatchSize = batchSize },
            ValidationSet = validationSet,
        });

    /// <summary>Creates a trainer for supervised fine-tuning with all its options.</summary>
    /// <param name="options">The options; <see cref="FineTuneTrainerOptions.ModelFolder"/> must be set.</param>
    /// <exception cref="NlftException">A column name is empty or used twice.</exception>
    public SupervisedFineTuneTrainer SupervisedFineTune(SupervisedFineTuneTrainer.Options options) => new(_mlContext, options);

    /// <summary>Creates a trainer that trains in rounds on responses that the model writes meanwhile, judged by rule.</summary>
    /// <param name="modelFolder">Folder of the base model in Hugging Face layout.</param>
    /// <param name="questionColumnName">Text column with the questions.</param>
    /// <param name="answerColumnName">Text column with the gold answers.</param>
    /// <param name="outputColumnName">Column that the fine-tuned model writes its answers to.</param>
    /// <param name="rounds">Rounds of drawing, judging and training, 1 or more.</param>
    /// <param name="stepsPerRound">Optimizer steps of every round, 1 or more.</param>
    /// <param name="learningRate">Peak learning rate, above 0.</param>
    /// <param name="batchSize">Rows per optimizer step, 1 or more.</param>
    /// <exception cref="NlftException">A column name is empty or used twice, or an option is out of range.</exception>
    public OnPolicyFineTuneTrainer OnPolicyFineTune(
        string modelFolder, string questionColumnName = ColumnNames.Question, string answerColumnName = ColumnNames.Answer,
        string outputColumnName = ColumnNames.GeneratedAnswer, int rounds = 5, int stepsPerRound = 10, double learningRate = 5e-5,
        int batchSize = 4) =>
        OnPolicyFineTune(new OnPolicyFineTuneTrainer.Options
        {
            ModelFolder = modelFolder,
            QuestionColumnName = questionColumnName,
            AnswerColumnName = answerColumnName,
            OutputColumnName = outputColumnName,
            Rounds = new() { Rounds = rounds, StepsPerRound = stepsPerRound },
            Training = new() { LearningRate = learningRate, BatchSize = batchSize },
        });

    /// <summary>Creates a trainer in rounds with all its options.</summary>
    /// <param name="options">The options; <see cref="FineTuneTrainerOptions.ModelFolder"/> must be set.</param>
    /// <exception cref="NlftException">A column name is empty or used twice, or an option is out of range.</exception>
    public OnPolicyFineTuneTrainer OnPolicyFineTune(OnPolicyFineTuneTrainer.Options options) => new(_mlContext, options);

    /// <summary>Creates a trainer for reinforced fine-tuning (ReFT) with all its options.</summary>
    /// <param name="options">The options; <see cref="FineTuneTrainerOptions.ModelFolder"/> must be set.</param>
    /// <exception cref="NlftException">A column name is empty or used twice.</exception>
    public ReinforcedFineTuneTrainer ReinforcedFineTune(ReinforcedFineTuneTrainer.Options options) => new(_mlContext, options);
}
