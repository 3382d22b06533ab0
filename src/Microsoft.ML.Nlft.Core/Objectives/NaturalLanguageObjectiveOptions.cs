namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// The constants of <see cref="NaturalLanguageObjective"/> (docs/method.md, sections 2 and 4). The defaults are those of the published method. b, j
/// and s are a token's probabilities in the base, judge and standard contexts.
/// </summary>
public sealed record NaturalLanguageObjectiveOptions
{
    /// <summary>Multiplies the loss and every coefficient; under gradient clipping it mostly tightens the clip. Above 0. Default 10.</summary>
    public double Scale { get; init; } = 10;

    /// <summary>
    /// A token of an incorrect response is salient only when j / b exceeds this: the judgment must make the token likelier. 1 or more, which
    /// keeps b of a salient token below 1 and its coefficient finite. Default 1.5.
    /// </summary>
    public double SalientRatioToBase { get; init; } = 1.5;

    /// <summary>
    /// A token of an incorrect response is salient only when j / s exceeds this: the standard answer must not explain the token. 0 or more; 0 tests
    /// nothing. Default 1.5.
    /// </summary>
    public double SalientRatioToStandard { get; init; } = 1.5;

    /// <summary>A token of an incorrect response is salient only when j exceeds this. In [0, 1). Default 0.01.</summary>
    public double MinimumJudgeProbability { get; init; } = 0.01;

    /// <summary>
    /// The ratio j / b at which a salient token of an incorrect response weighs 1: w = 2 sigmoid(j/b - this). Any finite number. Default 1.5.
    /// </summary>
    public double SalientWeightCenter { get; init; } = 1.5;

    /// <summary>
    /// An incorrect response with a larger share of salient tokens than this teaches through them alone: all other weights are 0. In [0, 1].
    /// Default 0.06.
    /// </summary>
    public double MaximumSalientShare { get; init; } = 0.06;

    /// <summary>Exponent of an ordinary token's weight in an incorrect response: w = s^this. Above 0. Default 0.5.</summary>
    public double IncorrectOrdinaryExponent { get; init; } = 0.5;

    /// <summary>
    /// A token of a correct response is salient when s exceeds this; also divides s in the weights of the others. In (0, 1). Default 0.95.
    /// </summary>
    public double SalientLevel { get; init; } = 0.95;

    /// <summary>Exponent of a salient token's weight in a correct response: w = 1 + ((s - level) / (1 - level))^this. Above 0. Default 5.</summary>
    public double CorrectSalientExponent { get; init; } = 5;

    /// <summary>Exponent of a cluster neighbour's weight in a correct response: w = (s / level)^this. Above 0. Default 0.3.</summary>
    public double CorrectNeighbourExponent { get; init; } = 0.3;

    /// <summary>Exponent of an ordinary token's weight in a correct response: w = (s / level)^this. Above 0. Default 0.6.</summary>
    public double CorrectOrdinaryExponent { get; init; } = 0.6;

    /// <summary>How neighbours join a salient token. Default <see cref="ClusterRule.Dissimilar"/>, as published.</summary>
    public ClusterRule ClusterRule { get; init; } = ClusterRule.Dissimilar;

    /// <summary>
    /// What the cosine distance (<see cref="ClusterRule.Dissimilar"/>) or similarity (<see cref="ClusterRule.Similar"/>) must exceed for a
    /// neighbour to join. In [0, 2]. Default 0.4.
    /// </summary>
    public double ClusterThreshold { get; init; } = 0.4;

    /// <summary>
    /// Stands in for a probability of exactly 0 under a logarithm; it is not a lower limit: 1e-12 stays 1e-12. In (0, 1). Default 1e-5.
    /// </summary>
    public double ZeroGuard { get; init; } = 1e-5;

    /// <summary>Whether a correct response also carries the unweighted likelihood -(1/n) sum log b. Default true.</summary>
    public bool CorrectLikelihood { get; init; } = true;

    /// <summary>
    /// Whether an incorrect response also carries the likelihood -(1/n) sum log j of its judge context, which then is trained too: the aligned
    /// form of the term that the published code scores at the wrong positions (docs/method.md 4.1). Default false.
    /// </summary>
    public bool JudgeLikelihood { get; init; }

    /// <summary>What a salient token of an incorrect response teaches. Default <see cref="SalientTarget.Unlikelihood"/>, as published.</summary>
    public SalientTarget SalientTarget { get; init; }

    /// <summary>
    /// Likeliest tokens of the teacher, beside the response's own, with <see cref="SalientTarget.Teacher"/>; one bucket holds the rest. 1 or more.
    /// Default 20.
    /// </summary>
    public int TeacherTokens { get; init; } = 20;

    /// <summary>Refuses the first option that lies outside its range.</summary>
    internal void Validate()
    {
        ScoreChecks.Option(nameof(Scale), Scale, Scale > 0, "above 0");
        ScoreChecks.Option(nameof(SalientRatioToBase), SalientRatioToBase, SalientRatioToBase >= 1, "1 or more");
        ScoreChecks.Option(nameof(SalientRatioToStandard), SalientRatioToStandard, SalientRatioToStandard >= 0, "0 or more");
        ScoreChecks.Option(nameof(MinimumJudgeProbability), MinimumJudgeProbability, MinimumJudgeProbability is >= 0 and < 1, "in [0, 1)");
        ScoreChecks.Option(nameof(SalientWeightCenter), SalientWeightCenter, true, "");
        ScoreChecks.Option(nameof(MaximumSalientShare), MaximumSalientShare, MaximumSalientShare is >= 0 and <= 1, "in [0, 1]");
        ScoreChecks.Option(nameof(IncorrectOrdinaryExponent), IncorrectOrdinaryExponent, IncorrectOrdinaryExponent > 0, "above 0");
        ScoreChecks.Option(nameof(SalientLevel), SalientLevel, SalientLevel is > 0 and < 1, "in (0, 1)");
        ScoreChecks.Option(nameof(CorrectSalientExponent), CorrectSalientExponent, CorrectSalientExponent > 0, "above 0");
        ScoreChecks.Option(nameof(CorrectNeighbourExponent), CorrectNeighbourExponent, CorrectNeighbourExponent > 0, "above 0");
        ScoreChecks.Option(nameof(CorrectOrdinaryExponent), CorrectOrdinaryExponent, CorrectOrdinaryExponent > 0, "above 0");
        ScoreChecks.Option(nameof(ClusterThreshold), ClusterThreshold, ClusterThreshold is >= 0 and <= 2, "in [0, 2]");
        ScoreChecks.Option(nameof(ZeroGuard), ZeroGuard, ZeroGuard is > 0 and < 1, "in (0, 1)");
        ScoreChecks.Option(nameof(TeacherTokens), TeacherTokens, TeacherTokens >= 1, "1 or more");
        if (!Enum.IsDefined(SalientTarget))
            throw new NlftException($"option {nameof(SalientTarget)}", $"{(int)SalientTarget}", "Unlikelihood or Teacher", "Choose one of them.");
        if (!Enum.IsDefined(ClusterRule))
            throw new NlftException($"option {nameof(ClusterRule)}", $"{(int)ClusterRule}", "Dissimilar, Similar or None", "Choose one of them.");
    }
}
