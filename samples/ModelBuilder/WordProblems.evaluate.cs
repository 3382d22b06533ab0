using Microsoft.ML;
using Microsoft.ML.Nlft.Evaluation;

namespace WordProblems_ConsoleApp;

public partial class WordProblems
{
    public static readonly string EvaluateFilePath = Path.GetFullPath(Path.Combine(ProjectFolder(), "..", "data", "test-corrected.jsonl"));

    /// <summary>Evaluate the saved model: exact-match accuracy with its 95 % interval.</summary>
    /// <param name="inputDataFilePath">Path to the file with questions and gold answers.</param>
    public static EvaluationResult Evaluate(string? inputDataFilePath = null)
    {
        var mlContext = new MLContext();

        var data = LoadIDataViewFromFile(mlContext, inputDataFilePath ?? EvaluateFilePath);
        var mlModel = mlContext.Model.Load(MLNetModelPath, out _);
        return mlContext.Nlft().Evaluate(mlModel.Transform(data), answerColumnName: "Answer",
            generatedColumnName: "GeneratedAnswer", comparison: AnswerComparison.Number);
    }
}
