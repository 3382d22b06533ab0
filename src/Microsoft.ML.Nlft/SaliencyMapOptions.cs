using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft;

/// <summary>Options of <see cref="NlftCatalog.SaliencyMap"/>.</summary>
public sealed class SaliencyMapOptions
{
    /// <summary>Folder of the model in Hugging Face layout, or of a model that <see cref="NlftCatalog.Save"/> wrote. Required.</summary>
    public string ModelFolder = "";

    /// <summary>Text column with the questions. Default "Question".</summary>
    public string QuestionColumnName = ColumnNames.Question;

    /// <summary>Text column with the responses. Default "Response".</summary>
    public string ResponseColumnName = ColumnNames.Response;

    /// <summary>Text column that says why a response is wrong; empty where it is right. Default "Judgment".</summary>
    public string JudgmentColumnName = ColumnNames.Judgment;

    /// <summary>Text column with the right answers. Default "Answer".</summary>
    public string AnswerColumnName = ColumnNames.Answer;

    /// <summary>Text column with an instruction for the system prompt of each row, or null for none. Default null.</summary>
    public string? InstructionColumnName;

    /// <summary>Thresholds and exponents. Default as published, with the departures that the user guide lists.</summary>
    public NaturalLanguageObjectiveOptions Objective = new();

    /// <summary>Wording and length limit of the prompts; a saved model has its own.</summary>
    public PromptOptions Prompts = new();

    /// <summary>The engine. Default null: the managed CPU engine.</summary>
    public IModelEngine? Engine;

    /// <summary>Cancels the work. Default: none.</summary>
    public CancellationToken CancellationToken;
}
