using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft;

/// <summary>Columns, prompts and generation settings of a saved model: everything that is neither base model nor adapter.</summary>
public sealed record LocalModelSettings
{
    /// <summary>Text column with the questions, in views. Default "Question".</summary>
    public string QuestionColumnName { get; init; } = "Question";

    /// <summary>Text column with instructions for the system prompt, or null (default) for none.</summary>
    public string? InstructionColumnName { get; init; }

    /// <summary>Column that answers are written to. Default "GeneratedAnswer".</summary>
    public string OutputColumnName { get; init; } = "GeneratedAnswer";

    /// <summary>How answers are generated. Default: the most likely answer of at most 512 tokens.</summary>
    public GenerationOptions Generation { get; init; } = new();

    /// <summary>Wording and limits of the prompts.</summary>
    public PromptOptions Prompts { get; init; } = new();

    /// <summary>Refuses the first setting that is not valid.</summary>
    /// <exception cref="NlftException">A column's name is blank, or an option of the generation lies outside its range.</exception>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(QuestionColumnName))
            throw new NlftException("name of the question column", "an empty name", "the name of a text column", "Set questionColumnName.");
        if (string.IsNullOrWhiteSpace(OutputColumnName))
        {
            throw new NlftException("name of the output column", "an empty name", "a name for the column of generated answers",
                "Set outputColumnName.");
        }
        if (InstructionColumnName is not null && string.IsNullOrWhiteSpace(InstructionColumnName))
        {
            throw new NlftException("name of the instruction column", "an empty name", "the name of a text column, or null for none",
                "Set instructionColumnName.");
        }
        Generation.Validate();
    }
}
