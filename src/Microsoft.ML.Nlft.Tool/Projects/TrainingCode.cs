using System.Globalization;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tool.Projects;

/// <summary>The file of a project that trains: how rows are read, and the trainer with its options.</summary>
internal static class TrainingCode
{
    /// <summary>Returns the text of the file.</summary>
    public static string Of(ProjectDescription project)
    {
        var namespaces = new SortedSet<string>(StringComparer.Ordinal) { "Microsoft.ML" };
        var reads = Reads(project, namespaces);
        var trainer = string.Join("\n", Trainer(project, namespaces).Select(line => $"            {line}"));
        namespaces.Add("Microsoft.ML.Nlft");
        return $$"""
            {{string.Join("\n", namespaces.Select(name => $"using {name};"))}}

            namespace {{project.Name}}_ConsoleApp;

            public partial class {{project.Name}}
            {
                public static readonly string RetrainFilePath = {{ProjectFiles.PlaceOf(project.Data, project.Folder)}};

                public static readonly string BaseModelFolder = {{ProjectFiles.PlaceOf(project.Model, project.Folder)}};

                /// <summary>Train a new model with the provided dataset.</summary>
                /// <param name="outputModelPath">File path for saving the model.</param>
                /// <param name="inputDataFilePath">Path to the file for training.</param>
                public static void Train(string? outputModelPath = null, string? inputDataFilePath = null)
                {
                    var mlContext = new MLContext(seed: {{project.Options.FineTune.Seed.ToString(CultureInfo.InvariantCulture)}});

                    var data = LoadIDataViewFromFile(mlContext, inputDataFilePath ?? RetrainFilePath);
                    var model = RetrainModel(mlContext, data);
                    SaveModel(mlContext, model, data, outputModelPath ?? MLNetModelPath);
                }

                /// <summary>Load an IDataView from a file path.</summary>
                /// <param name="mlContext">The common context for all ML.NET operations.</param>
                /// <param name="inputDataFilePath">Path to the file for training.</param>
                public static IDataView LoadIDataViewFromFile(MLContext mlContext, string inputDataFilePath) =>
                    {{reads}};

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
                    mlContext.Nlft().Trainers.{{(project.IsSupervised ? "Supervised" : "NaturalLanguage")}}FineTune(new {{(project.IsSupervised
                        ? "Supervised" : "NaturalLanguage")}}FineTuneTrainer.Options
                    {
            {{trainer}}
                    });
            }

            """;
    }

    private static string Reads(ProjectDescription project, ISet<string> namespaces)
    {
        if (project.Separator is { } separator)
        {
            namespaces.Add("Microsoft.ML.Data");
            return $$"""
                mlContext.Data.LoadFromTextFile<ModelInput>(inputDataFilePath, new TextLoader.Options
                        {
                            Separators = [{{CSharpText.Literal(separator)}}], HasHeader = true, AllowQuoting = true, ReadMultilines = true,
                        })
                """;
        }
        if (OptionCode.Creation(project.Options.Columns, namespaces) is not { } columns)
            return "mlContext.Nlft().Data.Load(inputDataFilePath)";
        namespaces.Add(typeof(DataColumns).Namespace!);
        return $"mlContext.Nlft().Data.Load(inputDataFilePath, columns: {columns.Replace("new()", "new DataColumns", StringComparison.Ordinal)})";
    }

    /// <summary>The lines that set the trainer's options.</summary>
    private static IEnumerable<string> Trainer(ProjectDescription project, ISet<string> namespaces)
    {
        yield return "ModelFolder = BaseModelFolder,";
        yield return Column("Question", project.QuestionColumn);
        if (project.IsSupervised)
        {
            yield return Column("Target", project.AnswerColumn);
        }
        else
        {
            yield return Column("Response", project.ResponseColumn);
            yield return Column("Judgment", project.JudgmentColumn);
            yield return Column("Answer", project.AnswerColumn);
        }
        if (project.HasInstructions) yield return Column("Instruction", project.InstructionColumn);
        yield return $"OutputColumnName = {CSharpText.Literal(project.OutputColumn)},";
        var options = project.Options;
        (string Name, object Record)[] records =
            [("Training", options.FineTune), ("Lora", options.Lora), ("Prompts", options.Prompts), ("Generation", options.Generation)];
        if (!project.IsSupervised) records = [.. records, ("Objective", options.Objective)];
        foreach (var (name, record) in records)
            if (OptionCode.Creation(record, namespaces) is { } creation) yield return $"{name} = {creation},";
    }

    private static string Column(string part, ProjectColumn column) => $"{part}ColumnName = {CSharpText.Literal(column.Name)},";
}
