using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Projects;

/// <summary>What a project is made of: names, files, columns and options.</summary>
internal sealed record ProjectDescription
{
    /// <summary>The name of the class, and of the files that hold its parts.</summary>
    public required string Name { get; init; }

    /// <summary>The folder of the project: an absolute path.</summary>
    public required string Folder { get; init; }

    /// <summary>The rows to train on: an absolute path.</summary>
    public required string Data { get; init; }

    /// <summary>The rows to evaluate with: an absolute path; null: the rows to train on.</summary>
    public required string? Test { get; init; }

    /// <summary>The base model: an absolute path.</summary>
    public required string Model { get; init; }

    /// <summary>What separates the fields of the files; null: they are JSON.</summary>
    public required char? Separator { get; init; }

    /// <summary>The columns of the rows, in the order of the file.</summary>
    public required IReadOnlyList<ProjectColumn> Columns { get; init; }

    /// <summary>Whether the rows show what to write, without responses that were judged.</summary>
    public required bool IsSupervised { get; init; }

    /// <summary>Whether the rows have instructions.</summary>
    public required bool HasInstructions { get; init; }

    /// <summary>How the answers are compared.</summary>
    public required AnswerComparison Comparison { get; init; }

    /// <summary>A question to try the model with.</summary>
    public required string Question { get; init; }

    /// <summary>The options of the command line.</summary>
    public required ToolOptions Options { get; init; }

    /// <summary>The version of the package that the project references.</summary>
    public required string Version { get; init; }

    /// <summary>The column of the question.</summary>
    public ProjectColumn QuestionColumn => Column(Options.Columns.Question, "Question");

    /// <summary>The column of the response.</summary>
    public ProjectColumn ResponseColumn => Column(Options.Columns.Response, "Response");

    /// <summary>The column of the judgment.</summary>
    public ProjectColumn JudgmentColumn => Column(Options.Columns.Judgment, "Judgment");

    /// <summary>The column of the gold answer.</summary>
    public ProjectColumn AnswerColumn => Column(Options.Columns.Answer, "Answer");

    /// <summary>The column of the instruction.</summary>
    public ProjectColumn InstructionColumn => Column(Options.Columns.Instruction, "Instruction");

    /// <summary>The name of the column that the model writes to, unlike any of the rows.</summary>
    public string OutputColumn
    {
        get
        {
            var name = "GeneratedAnswer";
            while (Columns.Any(column => column.Has(name))) name += "_";
            return name;
        }
    }

    /// <summary>Finds a column of a delimited file by the name that the options give it; rows of JSON have the default names.</summary>
    private ProjectColumn Column(string name, string byDefault) =>
        Columns.FirstOrDefault(column => column.Name.Equals(Separator is null ? byDefault : name, StringComparison.OrdinalIgnoreCase))
            ?? throw new NlftException(Data, $"no column {name}", $"a column {name}, which may be empty", "Add it to the first line of the file.");
}
