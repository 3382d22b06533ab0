using Microsoft.ML;
using Microsoft.ML.Nlft.Evaluation;

namespace WordProblems_ConsoleApp;

public partial class WordProblems
{
    public static readonly string EvaluateFilePath = Path.Combine(SamplesFolder(), "data", "test-corrected.jsonl");

    /// <summary>Evaluate the saved model on unseen questions: exact-match accuracy with its 95 % interval.</summary>
    /// <param name="inputDataFilePath">Path to the JSON Lines file with questions and gold answers.</param>
    public static EvaluationResult Evaluate(string? inputDataFilePath = null)
    {
        var mlContext = new MLContext();

        var data = LoadIDataViewFromFile(mlContext, inputDataFilePath ?? EvaluateFilePath);
        var mlModel = mlContext.Model.Load(MLNetModelPath, out _);
        return mlContext.Nlft().Evaluate(mlModel.Transform(data), answerColumnName: "Answer", generatedColumnName: "GeneratedAnswer");
    }
}
