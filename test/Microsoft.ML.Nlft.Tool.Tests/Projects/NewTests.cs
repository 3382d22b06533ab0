using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Tests.Projects;

/// <summary>nlft new writes projects that compile, whatever files, columns and folders are called, or says one thing and writes nothing.</summary>
[TestClass]
public sealed class NewTests
{
    private readonly ToolRun _tool = new();

    [TestCleanup]
    public void Clean() => _tool.Dispose();

    [TestMethod]
    public void Run_RowsOfTheSample_WritesTheSample()
    {
        var samples = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "..", "samples"));
        var copy = Directory.CreateDirectory(_tool.PathOf("samples")).FullName;
        foreach (var folder in (string[])["data", "models/tiny-word-problems"])
        {
            Directory.CreateDirectory(Path.Combine(copy, folder));
            foreach (var file in Directory.GetFiles(Path.Combine(samples, folder))) File.Copy(file, file.Replace(samples, copy));
        }
        Succeeds("new --data samples/data/rows.jsonl --test samples/data/test-corrected.jsonl --model samples/models/tiny-word-problems "
            + "--output samples/ModelBuilder --name WordProblems --epochs 5 --learning-rate 1e-3");
        var written = Compiled("samples/ModelBuilder");
        foreach (var (name, text) in written.Files)
            Assert.AreEqual(File.ReadAllText(Path.Combine(samples, "ModelBuilder", name)), text, $"{name}; see samples/README.md");
        Assert.HasCount(Directory.GetFiles(Path.Combine(samples, "ModelBuilder"), "*.cs").Length, written.Files);
    }

    [TestMethod]
    public void Run_Csv_KeepsTheColumnsOfTheFile()
    {
        _tool.Write("rows.csv", "Id;problem;\"he said \"\"x\"\"\";Response;Judgment;solution;class;\n1;2+3?;b;6;The sum is 5.;5;c;\n");
        Succeeds("new --data rows.csv --delimiter ; --model MODEL --output App --column-question problem --column-answer solution");
        var code = Compiled("App").Files;
        string[] lines = ["[LoadColumn(1)]", "[ColumnName(\"problem\")]", "public string Problem { get; set; } = \"\";",
            "[ColumnName(\"he said \\\"x\\\"\")]", "public string He_said_x { get; set; } = \"\";", "public string Class { get; set; } = \"\";"];
        foreach (var line in lines) Assert.Contains(line, code["App.consumption.cs"]);
        Assert.DoesNotContain("LoadColumn(7)", code["App.consumption.cs"], "a column without a name");
        foreach (var line in (string[])["Separators = [';']", "QuestionColumnName = \"problem\",", "AnswerColumnName = \"solution\","])
            Assert.Contains(line, code["App.training.cs"]);
        Assert.Contains("public static string EvaluateFilePath => RetrainFilePath;", code["App.evaluate.cs"]);
    }

    [TestMethod]
    [DataRow("Question,Answer\n2+3?,5\n", "SupervisedFineTune", "TargetColumnName = \"Answer\"", "AnswerComparison.Number")]
    [DataRow("Question,Answer\nCapital of France?,Paris\n", "SupervisedFineTune", "TargetColumnName = \"Answer\"", "AnswerComparison.Text")]
    [DataRow("Question,Response,Judgment,Answer,Instruction\n2+3?,6,no,5,Add.\n", "NaturalLanguageFineTune",
        "InstructionColumnName = \"Instruction\"", "AnswerComparison.Number")]
    public void Run_KindOfRows_ChoosesTrainerAndComparison(string rows, string trainer, string column, string comparison)
    {
        _tool.Write("rows.csv", rows);
        Succeeds("new --data rows.csv --model MODEL --output App");
        var code = Compiled("App").Files;
        Assert.Contains(trainer, code["App.training.cs"]);
        Assert.Contains(column, code["App.training.cs"]);
        Assert.Contains(comparison, code["App.evaluate.cs"]);
    }

    [TestMethod]
    public void Run_JsonWithOtherNames_NamesTheKeys()
    {
        _tool.Write("rows.jsonl", """{ "q\"1\"": "2+3?\n\u2028", "Answer": "5" }""" + "\n");
        Assert.AreEqual(ExitCode.Success, _tool.Run(
            ["new", "--data", "rows.jsonl", "--model", _tool.Model, "--output", "App", "--column-question", "q\"1\""]), _tool.Error);
        var code = Compiled("App").Files;
        Assert.Contains("columns: new DataColumns { Question = \"q\\\"1\\\"\" }", code["App.training.cs"]);
        Assert.Contains("Question = \"2+3?\\n\\u2028\",", code["Program.cs"]);
    }

    /// <summary>Every name that the generated code uses, as the name of the class and of a column.</summary>
    [TestMethod]
    public void Run_NamesThatTheCodeUses_Compiles()
    {
        _tool.WriteRows();
        Succeeds("new --data rows.csv --model MODEL --output App --name Sample");
        var names = Compiled("App").Identifiers.Where(name => !name.StartsWith("Sample", StringComparison.Ordinal)).ToList();
        Assert.Contains("PredictionEngine", names);
        string[] columns = ["Question", "Response", "Judgment", "Answer"];
        var others = names.Except(columns, StringComparer.OrdinalIgnoreCase).DistinctBy(name => name.ToUpperInvariant()).ToList();
        _tool.Write("wide.csv", $"{string.Join(',', columns.Concat(others))}\n2+3?,6,no,5{string.Join("", others.Select(_ => ",x"))}\n");
        foreach (var (number, name) in names.Index())
        {
            Succeeds($"new --data wide.csv --model MODEL --output App{number} --name {name}");
            Compiled($"App{number}");
        }
    }

    [TestMethod]
    [DataRow("class")]
    [DataRow("my app; 100% \"$(x)\" 'new'")]
    [DataRow("1.5B-model")]
    [DataRow("Übung {0}")]
    [DataRow("日本")]
    [DataRow("---")]
    [DataRow("\\u0041")]
    public void Run_HostileFolderAndFile_Compiles(string name)
    {
        _tool.WriteRows();
        var data = _tool.Write($"{name}.csv", File.ReadAllText(_tool.PathOf("rows.csv")));
        var folder = Path.Combine("projects", name);
        Assert.AreEqual(ExitCode.Success, _tool.Run(["new", "--data", data, "--model", _tool.Model, $"--output={folder}"]), _tool.Error);
        Compiled(folder);
        Assert.HasCount(1, Directory.GetFiles(_tool.PathOf(folder), "*.csproj"));
        Assert.DoesNotContain(";", Path.GetFileName(Directory.GetFiles(_tool.PathOf(folder), "*.csproj")[0]));
    }

    /// <summary>Every option that the command takes can be written as code.</summary>
    [TestMethod]
    public void OptionCode_EveryOptionChanged_Compiles()
    {
        _tool.WriteRows();
        string[] sections = [nameof(ToolOptions.FineTune), nameof(ToolOptions.Lora), nameof(ToolOptions.Objective), nameof(ToolOptions.Prompts),
            nameof(ToolOptions.Generation)];
        var options = new ToolOptions();
        foreach (var option in OptionProperty.All.Where(option => sections.Contains(option.Path[0].Name))) option.Set(options, Other(option));
        _tool.Write("options.json", OptionsFile.Write(options));
        Succeeds("new --data rows.csv --model MODEL --output App --options options.json");
        var code = Compiled("App").Files["App.training.cs"];
        foreach (var option in OptionProperty.All.Where(option => sections.Contains(option.Path[0].Name)))
            Assert.Contains($"{option.Property.Name} = ", code, option.Name);
    }

    [TestMethod]
    [DataRow("new --data chats.jsonl --model MODEL --output App", "a row without an answer; expected rows with a question and an answer")]
    [DataRow("new --data rows.parquet --model MODEL --output App", "found the extension .parquet; expected .jsonl, .json, .csv or .tsv.")]
    [DataRow("new --data missing.csv --model MODEL --output App", "missing.csv")]
    [DataRow("new --data rows.csv --model nowhere --output App", "nowhere")]
    [DataRow("new --data rows.csv --model MODEL --output full", "found a folder that is not empty; expected an empty folder")]
    [DataRow("new --data rows.csv --model MODEL --output rows.csv", "found a file; expected a folder")]
    [DataRow("new --data rows.csv --test other.csv --model MODEL --output App", "found other columns than those of --data; expected Question,Resp")]
    [DataRow("new --data rows.csv --test chats.jsonl --model MODEL --output App", "found another format than that of --data; expected a .csv file.")]
    [DataRow("new --data no-judgment.csv --model MODEL --output App", "found no column Judgment; expected a column Judgment, which may be empty.")]
    public void Run_BadInput_SaysOneThingAndWritesNothing(string command, string message)
    {
        _tool.WriteRows();
        _tool.Write("rows.parquet", "");
        _tool.Write("other.csv", "Answer,Question\n5,2+3?\n");
        _tool.Write("no-judgment.csv", "Question,Response,Answer\n2+3?,6,5\n");
        _tool.Write("chats.jsonl", """{ "messages": [{ "role": "user", "content": "a" }, { "role": "assistant", "content": "b" }] }""" + "\n");
        Directory.CreateDirectory(_tool.PathOf("full"));
        _tool.Write("full/Program.cs", "// mine");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run(command));
        Assert.Contains(message, _tool.Error);
        Assert.HasCount(1, _tool.Error.TrimEnd().Split('\n'));
        Assert.IsFalse(Directory.Exists(_tool.PathOf("App")));
        Assert.AreEqual("// mine", File.ReadAllText(_tool.PathOf("full/Program.cs")));
    }

    [TestMethod]
    public void Run_Overwrite_ReplacesTheProjectAndKeepsTheRest()
    {
        _tool.WriteRows();
        Succeeds("new --data rows.csv --model MODEL --output App");
        _tool.Write("App/Mine.cs", "// mine");
        Succeeds("new --data rows.csv --model MODEL --output App --overwrite --epochs 3");
        Assert.Contains("Epochs = 3", File.ReadAllText(_tool.PathOf("App/App.training.cs")));
        Assert.AreEqual("// mine", File.ReadAllText(_tool.PathOf("App/Mine.cs")));
    }

    private void Succeeds(string command) => Assert.AreEqual(ExitCode.Success, _tool.Run(command), _tool.Error);

    private CompiledProject Compiled(string folder)
    {
        var project = new CompiledProject(_tool.PathOf(folder));
        Assert.AreEqual("", string.Join('\n', project.Complaints), folder);
        return project;
    }

    /// <summary>A value that is not the default.</summary>
    private static object? Other(OptionProperty option) => option switch
    {
        { Type: var type } when type == typeof(bool) => !(bool)option.Default!,
        { Type: var type } when type == typeof(int) => (int)option.Default! + 1,
        { Type: var type } when type == typeof(double) => (double)option.Default! + 0.125,
        { Type: var type } when type == typeof(string) => option.Default + "\"\\\n{x}",
        { Type.IsEnum: true } => Enum.GetValues(option.Type).Cast<object>().First(value => !value.Equals(option.Default)),
        { Type: var type } when type == typeof(JsonElement) || type == typeof(JsonElement?) => JsonElement.Parse("""{ "enum": ["a\""] }"""),
        { Type: var type } when type == typeof(IReadOnlyList<int>) => new[] { 1, 2 },
        { Type: var type } when type == typeof(IReadOnlyList<string>) => new[] { "a\"", "b" },
        { Type: var type } when type == typeof(IReadOnlyDictionary<string, int>) => new Dictionary<string, int> { ["a"] = 1 },
        { Type: var type } when type == typeof(IReadOnlyDictionary<string, double>) => new Dictionary<string, double> { ["a"] = 1.5 },
        _ => new Dictionary<string, object?> { ["a"] = true, ["b"] = "x", ["c"] = 2, ["d"] = null },
    };

    private static string ThisFile([CallerFilePath] string file = "") => file;
}
