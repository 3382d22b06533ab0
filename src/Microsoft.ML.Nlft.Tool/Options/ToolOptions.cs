using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tool.Serving;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>
/// All settings: one property per option record of the library. An options file is this record as JSON; flags are its leaves. Commands share one
/// file, and each reads the sections that it needs.
/// </summary>
internal sealed record ToolOptions
{
    /// <summary>Training.</summary>
    [Section("Training")]
    public FineTuneOptions FineTune { get; init; } = new();

    /// <summary>Rounds on the model's own responses.</summary>
    [Section("Rounds")]
    public RoundOptions Rounds { get; init; } = new();

    /// <summary>The LoRA adapter.</summary>
    [Section("LoRA adapter", "lora")]
    public LoraConfiguration Lora { get; init; } = new();

    /// <summary>The natural language objective.</summary>
    [Section("Objective", "objective")]
    public NaturalLanguageObjectiveOptions Objective { get; init; } = new();

    /// <summary>Self-distillation.</summary>
    [Section("Self-distillation", "distillation")]
    public SelfDistillationOptions SelfDistillation { get; init; } = new();

    /// <summary>Wording of the prompts.</summary>
    [Section("Prompts", "prompt")]
    public PromptOptions Prompts { get; init; } = new();

    /// <summary>Generation of answers.</summary>
    [Section("Generation")]
    public GenerationOptions Generation { get; init; } = new();

    /// <summary>Columns of the data.</summary>
    [Section("Columns of the data", "column")]
    public DataColumns Columns { get; init; } = new();

    /// <summary>The server.</summary>
    [Section("Server")]
    public ServerOptions Server { get; init; } = new();

    /// <summary>The engine.</summary>
    [Section("Engine")]
    public EngineOptions Engine { get; init; } = new();
}

/// <summary>Gives the heading of a section in the help and the prefix of its flags.</summary>
/// <param name="title">Heading in the help.</param>
/// <param name="prefix">Prefix of the section's flags; null: none.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SectionAttribute(string title, string? prefix = null) : Attribute
{
    public string Title { get; } = title;
    public string? Prefix { get; } = prefix;
}
