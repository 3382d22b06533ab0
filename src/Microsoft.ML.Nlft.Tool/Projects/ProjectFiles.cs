using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tool.Projects;

/// <summary>The files of a project, in the shape that Model Builder of ML.NET gives its own.</summary>
internal static partial class ProjectFiles
{
    /// <summary>Returns the names and the texts of the files.</summary>
    public static IReadOnlyList<(string Name, string Text)> Of(ProjectDescription project) =>
    [
        ($"{Unusual().Replace(Path.GetFileName(project.Folder), "_")}.csproj", Project(project)),
        ("Program.cs", Program(project)),
        ($"{project.Name}.consumption.cs", Consumption(project)),
        ($"{project.Name}.evaluate.cs", Evaluate(project)),
        ($"{project.Name}.training.cs", TrainingCode.Of(project)),
    ];

    /// <summary>The expression of a file's place, from the project's folder when it is near.</summary>
    public static string PlaceOf(string path, string folder)
    {
        var relative = Path.GetRelativePath(folder, path).Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar);
        return Path.IsPathRooted(Path.GetRelativePath(folder, path)) || relative.Count(part => part == "..") > 2
            ? CSharpText.Literal(path)
            : $"Path.GetFullPath(Path.Combine(ProjectFolder(), {string.Join(", ", relative.Select(CSharpText.Literal))}))";
    }

    private static string Project(ProjectDescription project) => $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <ImplicitUsings>enable</ImplicitUsings>
            <Nullable>enable</Nullable>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="Microsoft.ML.Nlft" Version="{project.Version}" />
          </ItemGroup>
        </Project>

        """;

    private static string Program(ProjectDescription project) => $$"""
        using {{project.Name}}_ConsoleApp;

        {{project.Name}}.Train();
        Console.WriteLine({{project.Name}}.Evaluate());

        // Create a single instance of sample data from the first line of the dataset for model input.
        var sampleData = new {{project.Name}}.ModelInput
        {
            {{project.QuestionColumn.Property}} = {{CSharpText.Literal(project.Question)}},
        };
        var predictionResult = {{project.Name}}.Predict(sampleData);

        Console.WriteLine($"Question: {sampleData.{{project.QuestionColumn.Property}}}");
        Console.WriteLine($"Answer:   {predictionResult.{{project.OutputColumn}}.ReplaceLineEndings(" | ")}");

        """;

    private static string Consumption(ProjectDescription project) => $$"""
        using System.Runtime.CompilerServices;
        using Microsoft.ML;
        using Microsoft.ML.Data;

        namespace {{project.Name}}_ConsoleApp;

        /// <summary>The fine-tuned model: how it is used. In the shape of the code that Model Builder generates.</summary>
        public partial class {{project.Name}}
        {
            /// <summary>Model input class for {{project.Name}}.</summary>
            public class ModelInput
            {
        {{string.Join("\n\n", project.Columns.Select(Property))}}
            }

            /// <summary>Model output class for {{project.Name}}.</summary>
            public class ModelOutput
            {
        {{Property(project.QuestionColumn with { Index = null })}}

                [ColumnName({{CSharpText.Literal(project.OutputColumn)}})]
                public string {{project.OutputColumn}} { get; set; } = "";
            }

            private static readonly string MLNetModelPath = Path.Combine(AppContext.BaseDirectory, {{CSharpText.Literal(project.Name + ".mlnet")}});

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

        """;

    private static string Property(ProjectColumn column) => $$"""
                {{(column.Index is { } index ? $"[LoadColumn({index})]\n        " : "")}}[ColumnName({{CSharpText.Literal(column.Name)}})]
                public string {{column.Property}} { get; set; } = "";
        """;

    private static string Evaluate(ProjectDescription project) => $$"""
        using Microsoft.ML;
        using Microsoft.ML.Nlft.Evaluation;

        namespace {{project.Name}}_ConsoleApp;

        public partial class {{project.Name}}
        {
        {{(project.Test is { } test
            ? $"    public static readonly string EvaluateFilePath = {PlaceOf(test, project.Folder)};"
            : "    /// <summary>The rows that the model was trained on: name unseen ones to see what it has learned.</summary>\n"
                + "    public static string EvaluateFilePath => RetrainFilePath;")}}

            /// <summary>Evaluate the saved model: exact-match accuracy with its 95 % interval.</summary>
            /// <param name="inputDataFilePath">Path to the file with questions and gold answers.</param>
            public static EvaluationResult Evaluate(string? inputDataFilePath = null)
            {
                var mlContext = new MLContext();

                var data = LoadIDataViewFromFile(mlContext, inputDataFilePath ?? EvaluateFilePath);
                var mlModel = mlContext.Model.Load(MLNetModelPath, out _);
                return mlContext.Nlft().Evaluate(mlModel.Transform(data), answerColumnName: {{CSharpText.Literal(project.AnswerColumn.Name)}},
                    generatedColumnName: {{CSharpText.Literal(project.OutputColumn)}}, comparison: AnswerComparison.{{project.Comparison}});
            }
        }

        """;

    /// <summary>What a project file's name had better not hold.</summary>
    [GeneratedRegex(@"[^\w. -]")]
    private static partial Regex Unusual();
}
