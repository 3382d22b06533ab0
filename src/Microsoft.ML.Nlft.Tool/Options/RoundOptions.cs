using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.OnPolicy;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>The rounds of <c>nlft rounds</c>.</summary>
internal sealed record RoundOptions
{
    /// <summary>Rounds of drawing, judging and training, 1 or more. Default 5.</summary>
    public int Rounds { get; init; } = 5;

    /// <summary>Optimizer steps of every round, 1 or more. Default 10.</summary>
    public int StepsPerRound { get; init; } = 10;

    /// <summary>Responses to every question in every round, 1 or more. Default 1.</summary>
    public int SamplesPerQuestion { get; init; } = 1;

    /// <summary>Which responses are trained on: all, with their judgments; or right, as in expert iteration. Default all.</summary>
    public KeptResponses Keep { get; init; }

    /// <summary>Whether a round also trains on the responses that earlier rounds kept. Default false.</summary>
    public bool KeepEarlier { get; init; }

    /// <summary>Whether the model sees the gold answer when it responds, as in rationalisation. Default false.</summary>
    public bool ShowAnswer { get; init; }

    /// <summary>The rounds of a recipe.</summary>
    public static RoundOptions Of(OnPolicyOptions rounds) => new()
    {
        Rounds = rounds.Rounds,
        StepsPerRound = rounds.StepsPerRound,
        SamplesPerQuestion = rounds.SamplesPerQuestion,
        Keep = rounds.Keep,
        KeepEarlier = rounds.KeepEarlier,
        ShowAnswer = rounds.DrawFrom == PromptContexts.Standard,
    };

    /// <summary>The options of a run.</summary>
    public OnPolicyOptions ToOptions(ToolOptions all, string? folder) => new()
    {
        Rounds = Rounds,
        StepsPerRound = StepsPerRound,
        SamplesPerQuestion = SamplesPerQuestion,
        Keep = Keep,
        KeepEarlier = KeepEarlier,
        DrawFrom = ShowAnswer ? PromptContexts.Standard : PromptContexts.Base,
        Generation = all.Generation,
        Training = all.FineTune,
        Folder = folder,
    };
}
