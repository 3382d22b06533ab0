using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft;

/// <summary>How a <see cref="TextGenerationTransformer"/> works: everything about it that is neither base model nor adapter.</summary>
internal sealed record GenerationSettings
{
    public required string QuestionColumnName { get; init; }

    public string? InstructionColumnName { get; init; }

    public required string OutputColumnName { get; init; }

    public GenerationOptions Generation { get; init; } = new();

    public PromptOptions Prompts { get; init; } = new();

    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(QuestionColumnName))
            throw new NlftException("name of the question column", "an empty name", "the name of a text column", "Set questionColumnName.");
        if (string.IsNullOrWhiteSpace(OutputColumnName))
            throw new NlftException("name of the output column", "an empty name", "a name for the column of generated answers",
                "Set outputColumnName.");
        if (InstructionColumnName is not null && string.IsNullOrWhiteSpace(InstructionColumnName))
            throw new NlftException("name of the instruction column", "an empty name", "the name of a text column, or null for none",
                "Set instructionColumnName.");
        Generation.Validate();
    }
}
