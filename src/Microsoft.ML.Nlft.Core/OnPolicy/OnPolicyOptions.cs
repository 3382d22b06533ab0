using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>Which of a round's responses are trained on.</summary>
public enum KeptResponses
{
    /// <summary>Right and wrong ones, for objectives that learn from judgments.</summary>
    All,

    /// <summary>Right ones alone, as in expert iteration.</summary>
    Right,
}

/// <summary>Sets how <see cref="OnPolicyRun"/> draws, chooses and trains.</summary>
/// <remarks>
/// Expert iteration (T. Anthony et al., arXiv 1705.08439; for language models A. Singh et al., arXiv 2312.06585) is <see cref="KeptResponses.Right"/>
/// with a likelihood objective. Rationalisation (E. Zelikman et al., arXiv 2203.14465) also draws from <see cref="PromptContexts.Standard"/>.
/// Rejection sampling fine-tuning (Z. Yuan et al., arXiv 2308.01825) is expert iteration with
/// <see cref="FineTuneOptions.TrainOnAnswers"/>.
/// </remarks>
public sealed record OnPolicyOptions
{
    /// <summary>Rounds of drawing, judging and training, 1 or more. Default 5.</summary>
    public int Rounds { get; init; } = 5;

    /// <summary>Optimizer steps of every round, 1 or more. Default 10.</summary>
    public int StepsPerRound { get; init; } = 10;

    /// <summary>Responses to every question in every round, 1 or more; equal ones to a question count once. Default 1.</summary>
    public int SamplesPerQuestion { get; init; } = 1;

    /// <summary>How responses are drawn; the seed changes from round to round. Default temperature 1 and at most 512 tokens.</summary>
    public GenerationOptions Generation { get; init; } = new() { Temperature = 1 };

    /// <summary>
    /// What the model sees when it responds: the question, or with <see cref="PromptContexts.Standard"/> its gold answer too. It is trained without
    /// the answer in either case. Default Base.
    /// </summary>
    public PromptContexts DrawFrom { get; init; } = PromptContexts.Base;

    /// <summary>Which responses are trained on. Default all.</summary>
    public KeptResponses Keep { get; init; }

    /// <summary>Whether a round also trains on the responses that earlier rounds kept. Default false.</summary>
    public bool KeepEarlier { get; init; }

    /// <summary>
    /// Training; the learning rate's schedule spans all rounds. With <see cref="FineTuneOptions.TrainOnAnswers"/> every round trains on the gold
    /// answers to all questions too, also where it keeps no response. Leave <see cref="FineTuneOptions.Epochs"/>,
    /// <see cref="FineTuneOptions.MaximumSteps"/>, <see cref="FineTuneOptions.Validation"/>, <see cref="FineTuneOptions.RecordedRows"/> and the
    /// places of checkpoints at their defaults: a round has <see cref="StepsPerRound"/>, and <see cref="Folder"/> holds its checkpoints.
    /// </summary>
    public FineTuneOptions Training { get; init; } = new();

    /// <summary>
    /// A folder for the rows, journals and checkpoints of every round, created when missing, so that a run that was killed or cancelled anywhere
    /// resumes to the same end with the same call. Null: nothing is kept. Default null.
    /// </summary>
    [ChangesNoResult]
    public string? Folder { get; init; }

    /// <summary>Refuses the first option that lies outside its range.</summary>
    internal void Validate()
    {
        OptionCheck.Require(Rounds >= 1, nameof(Rounds), Rounds, "1 or more", "Set how often to draw responses.");
        OptionCheck.Require(StepsPerRound >= 1, nameof(StepsPerRound), StepsPerRound, "1 or more", "Set the optimizer steps of a round.");
        OptionCheck.Require((long)Rounds * StepsPerRound <= int.MaxValue, nameof(Rounds), Rounds, $"at most {int.MaxValue} steps in all",
            "Set fewer rounds or steps.");
        OptionCheck.Require(SamplesPerQuestion >= 1, nameof(SamplesPerQuestion), SamplesPerQuestion, "1 or more",
            "Use 1 for one response a question.");
        OptionCheck.Require(Generation is not null, nameof(Generation), Generation, "generation options", "Leave it out for the defaults.");
        Generation!.Validate();
        OptionCheck.Require(Generation.Temperature > 0, "Generation.Temperature", Generation.Temperature, "above 0",
            "Raise it: the likeliest response is the same in every round until the weights move.");
        OptionCheck.Require(DrawFrom is PromptContexts.Base or PromptContexts.Standard, nameof(DrawFrom), DrawFrom, "Base or Standard",
            "A judgment exists after the response only.");
        OptionCheck.Require(Enum.IsDefined(Keep), nameof(Keep), Keep, "All or Right", "Choose one of them.");
        OptionCheck.Require(Training is not null, nameof(Training), Training, "training options", "Leave it out for the defaults.");
        OptionCheck.Require(Folder is null || !string.IsNullOrWhiteSpace(Folder), nameof(Folder), Folder, "a path, or null",
            "Leave it out to keep nothing.");
        Training!.Validate();
        var plain = new FineTuneOptions();
        OptionCheck.Require(Training.Epochs == plain.Epochs, "Training.Epochs", Training.Epochs, "the default", "Set StepsPerRound instead.");
        OptionCheck.Require(Training.MaximumSteps == 0, "Training.MaximumSteps", Training.MaximumSteps, "the default", "Set StepsPerRound instead.");
        OptionCheck.Require(Training.Validation == plain.Validation, "Training.Validation", Training.Validation, "the default",
            "Evaluate the trained model instead: rounds have no validation.");
        OptionCheck.Require(Training.RecordedRows.Count == 0, "Training.RecordedRows", Training.RecordedRows.Count, "none",
            "The rows change from round to round.");
        OptionCheck.Require(Training.CheckpointFolder is null && Training.ResumeFrom is null, "Training.CheckpointFolder",
            Training.CheckpointFolder ?? Training.ResumeFrom, "none", "Set Folder instead, which holds all that a run needs to resume.");
    }
}
