namespace Microsoft.ML.Nlft.Engines;

/// <summary>Holds an engine's scores of the n response tokens of one <see cref="TokenSequence"/>.</summary>
public sealed class TokenScores
{
    /// <summary>Creates the scores of one response.</summary>
    /// <param name="logProbabilities">n natural log-probabilities.</param>
    /// <param name="mostLikely">n flags.</param>
    /// <param name="hiddenStates">n x H values in row-major order, or empty; memory that the engine may reuse once the pass is disposed.</param>
    public TokenScores(float[] logProbabilities, bool[] mostLikely, ReadOnlyMemory<float> hiddenStates) =>
        (LogProbabilities, MostLikely, HiddenStates) = (logProbabilities, mostLikely, hiddenStates);

    /// <summary>log p(y_t | all tokens before it), natural logarithm, one per response token.</summary>
    public float[] LogProbabilities { get; }

    /// <summary>Whether y_t was the model's most likely token there: the mean is the token accuracy.</summary>
    public bool[] MostLikely { get; }

    /// <summary>
    /// The final-norm outputs at the positions that PREDICT the response tokens (n x H, row-major); empty unless requested. Those of an
    /// <see cref="IForwardPass"/> are valid until it is disposed; those of <see cref="ICausalLanguageModel.Score"/> stay valid.
    /// </summary>
    public ReadOnlyMemory<float> HiddenStates { get; }

    /// <summary>The log-probabilities of <see cref="TokenSequence.Candidates"/>, n x K; empty without candidates.</summary>
    public float[] CandidateLogProbabilities { get; init; } = [];

    /// <summary>The likeliest tokens at every position; null unless <see cref="TokenSequence.Likeliest"/> asks for them.</summary>
    public LikeliestTokens? Likeliest { get; init; }
}
