using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace WordProblems_ConsoleApp;

/// <summary>The fine-tuned model: how it is used. In the shape of the code that Model Builder generates.</summary>
public partial class WordProblems
{
    /// <summary>Model input class for WordProblems.</summary>
    public class ModelInput
    {
        [ColumnName("Question")]
        public string Question { get; set; } = "";

        [ColumnName("Response")]
        public string Response { get; set; } = "";

        [ColumnName("Judgment")]
        public string Judgment { get; set; } = "";

        [ColumnName("Answer")]
        public string Answer { get; set; } = "";
    }

    /// <summary>Model output class for WordProblems.</summary>
    public class ModelOutput
    {
        [ColumnName("Question")]
        public string Question { get; set; } = "";

        [ColumnName("GeneratedAnswer")]
        public string GeneratedAnswer { get; set; } = "";
    }

    private static readonly string MLNetModelPath = Path.Combine(AppContext.BaseDirectory, "WordProblems.mlnet");

    public static readonly Lazy<PredictionEngine<ModelInput, ModelOutput>> PredictEngine = new(CreatePredictEngine, true);

    /// <summary>Use this method to predict on <see cref="ModelInput"/>.</summary>
    /// <param name="input">Only the question is read.</param>
    public static ModelOutput Predict(ModelInput input) => PredictEngine.Value.Predict(input);

    private static PredictionEngine<ModelInput, ModelOutput> CreatePredictEngine()
    {
        var mlContext = new MLContext();
        ITransformer mlModel = mlContext.Model.Load(MLNetModelPath, out _);
        return mlContext.Model.CreatePredictionEngine<ModelInput, ModelOutput>(mlModel);
    }

    /// <summary>The folder of the project, from the place of this source file.</summary>
    private static string ProjectFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
