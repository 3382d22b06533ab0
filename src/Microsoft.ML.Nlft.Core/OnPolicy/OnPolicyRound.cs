namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>What one round drew, kept and learned.</summary>
public sealed record OnPolicyRound
{
    /// <summary>The round, from 1.</summary>
    public required int Round { get; init; }

    /// <summary>Responses drawn.</summary>
    public required int Drawn { get; init; }

    /// <summary>Those that the judge found right.</summary>
    public required int Right { get; init; }

    /// <summary>Those that the judge found wrong.</summary>
    public required int Wrong { get; init; }

    /// <summary>Those that were blank, equal to another one to the same question, or without a judgment that could be parsed.</summary>
    public int Unused => Drawn - Right - Wrong;

    /// <summary>Rows trained on, those of earlier rounds included.</summary>
    public required int Rows { get; init; }

    /// <summary>Optimizer steps; 0: there was no row to train on.</summary>
    public required int Steps { get; init; }

    /// <summary>
    /// Steps that were skipped because a number was not finite (<see cref="Training.FineTuneOptions.SkipNonFiniteSteps"/>); not among
    /// <see cref="Steps"/>.
    /// </summary>
    public int SkippedSteps { get; init; }

    /// <summary>The loss of the first step; null without steps.</summary>
    public double? FirstLoss { get; init; }

    /// <summary>The loss of the last step; null without steps.</summary>
    public double? LastLoss { get; init; }
}

/// <summary>The result of <see cref="OnPolicyRun.RunAsync"/>.</summary>
/// <param name="Rounds">The finished rounds in order, those before an interruption included.</param>
/// <param name="Cancelled">Whether the run was cancelled; only with <see cref="Training.FineTuneOptions.ReturnPartialOnCancel"/>.</param>
public sealed record OnPolicyResult(IReadOnlyList<OnPolicyRound> Rounds, bool Cancelled)
{
    /// <summary>The training of the last round that had rows to train on in this call; null: there was none.</summary>
    public Training.FineTuneResult? LastTraining { get; init; }
}
