using Microsoft.ML;
using Microsoft.ML.Nlft;

namespace WordProblems_ConsoleApp;

public partial class WordProblems
{
    public static readonly string RetrainFilePath = Path.GetFullPath(Path.Combine(ProjectFolder(), "..", "data", "rows.jsonl"));

    public static readonly string BaseModelFolder = Path.GetFullPath(Path.Combine(ProjectFolder(), "..", "models", "tiny-word-problems"));

    /// <summary>Train a new model with the provided dataset.</summary>
    /// <param name="outputModelPath">File path for saving the model.</param>
    /// <param name="inputDataFilePath">Path to the file for training.</param>
    public static void Train(string? outputModelPath = null, string? inputDataFilePath = null)
    {
        var mlContext = new MLContext(seed: 42);

        var data = LoadIDataViewFromFile(mlContext, inputDataFilePath ?? RetrainFilePath);
        var model = RetrainModel(mlContext, data);
        SaveModel(mlContext, model, data, outputModelPath ?? MLNetModelPath);
    }

    /// <summary>Load an IDataView from a file path.</summary>
    /// <param name="mlContext">The common context for all ML.NET operations.</param>
    /// <param name="inputDataFilePath">Path to the file for training.</param>
    public static IDataView LoadIDataViewFromFile(MLContext mlContext, string inputDataFilePath) =>
        mlContext.Nlft().Data.Load(inputDataFilePath);

    /// <summary>Save a model at the specified path.</summary>
    /// <param name="mlContext">The common context for all ML.NET operations.</param>
    /// <param name="model">Model to save.</param>
    /// <param name="data">IDataView used to train the model.</param>
    /// <param name="modelSavePath">File path for saving the model.</param>
    public static void SaveModel(MLContext mlContext, ITransformer model, IDataView data, string modelSavePath) =>
        mlContext.Model.Save(model, data.Schema, modelSavePath);

    /// <summary>Retrain model using the pipeline generated as part of the training process.</summary>
    /// <param name="mlContext">The common context for all ML.NET operations.</param>
    /// <param name="trainData">IDataView used to train the model.</param>
    public static ITransformer RetrainModel(MLContext mlContext, IDataView trainData) => BuildPipeline(mlContext).Fit(trainData);

    /// <summary>Build the pipeline that is used from Model Builder. Use this function to retrain the model.</summary>
    /// <param name="mlContext">The common context for all ML.NET operations.</param>
    public static IEstimator<ITransformer> BuildPipeline(MLContext mlContext) =>
        mlContext.Nlft().Trainers.NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
        {
            ModelFolder = BaseModelFolder,
            QuestionColumnName = "Question",
            ResponseColumnName = "Response",
            JudgmentColumnName = "Judgment",
            AnswerColumnName = "Answer",
            OutputColumnName = "GeneratedAnswer",
            Training = new() { Epochs = 5, LearningRate = 0.001 },
        });
}
