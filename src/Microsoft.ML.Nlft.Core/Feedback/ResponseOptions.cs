using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>Sets how <see cref="ResponseGenerator"/> generates responses.</summary>
public sealed record ResponseOptions
{
    /// <summary>Responses per question, 1 or more; more than one needs a temperature above 0. Default 1.</summary>
    public int SamplesPerQuestion { get; init; } = 1;

    /// <summary>
    /// Length, temperature, seed, batch size. Every response has its own random stream, derived from the seed, the question's index and the sample,
    /// so that it does not depend on batches or interruptions. Default temperature 0.3 and at most 512 tokens, as in the published runs.
    /// </summary>
    public GenerationOptions Generation { get; init; } = new() { Temperature = 0.3 };

    /// <summary>
    /// What the model sees: <see cref="PromptContexts.Base"/>, the question; or <see cref="PromptContexts.Standard"/>, the question with its gold
    /// answer, to write a solution that leads to it. Default Base.
    /// </summary>
    public PromptContexts Context { get; init; } = PromptContexts.Base;

    /// <summary>A file that keeps finished results, so that a killed run resumes; null: none. The caller deletes it.</summary>
    public string? Journal { get; init; }

    /// <summary>Number of questions, for progress over a stream whose length is not known; null: unknown.</summary>
    public int? QuestionCount { get; init; }

    /// <summary>Receives a report after every response; null: none.</summary>
    public IProgress<DataProgress>? Progress { get; init; }

    /// <summary>The clock for progress. Default the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Whether processes that an MPI launcher (mpirun, srun) started together divide the responses; all of them must call. False: each generates
    /// all responses itself. Default true, which has no effect in a single process.
    /// </summary>
    public bool Distributed { get; init; } = true;

    /// <summary>
    /// Responses that a process receives at a time, 0 or more; the responses do not depend on it. Default 0: a batch, or less where there would be
    /// fewer than four chunks for each process. A single process ignores it.
    /// </summary>
    public int ChunkSize { get; init; }

    internal void Validate()
    {
        OptionCheck.Require(Generation is not null, nameof(Generation), Generation, "generation options", "Leave it out for the defaults.");
        Generation!.Validate();
        OptionCheck.Require(Context is PromptContexts.Base or PromptContexts.Standard, nameof(Context), Context, "Base or Standard",
            "Judgments exist after the responses only.");
        OptionCheck.Require(SamplesPerQuestion >= 1, nameof(SamplesPerQuestion), SamplesPerQuestion, "1 or more",
            "Use 1 for one response per question.");
        OptionCheck.Require(ChunkSize >= 0, nameof(ChunkSize), ChunkSize, "0 or more", "Use 0 for a size that fits the number of processes.");
        OptionCheck.Require(SamplesPerQuestion == 1 || Generation.Temperature > 0, nameof(SamplesPerQuestion), SamplesPerQuestion,
            "1 at temperature 0", "Raise Temperature: the most likely response is always the same.");
    }
}
