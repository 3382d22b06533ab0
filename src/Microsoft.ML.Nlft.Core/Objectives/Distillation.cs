namespace Microsoft.ML.Nlft.Objectives;

/// <summary>The divergence from a teacher at the positions of one response, over its own token, the candidates and a bucket for the rest.</summary>
/// <param name="alpha">As in <see cref="Divergence"/>.</param>
/// <param name="tail">Whether the rest is a bucket; else the listed tokens are renormalised.</param>
/// <param name="candidates">The teacher's likeliest tokens.</param>
internal sealed class Distillation(double alpha, bool tail, CandidateScores candidates)
{
    /// <summary>Least probability of the bucket: float32 leaves noise of 1e-7 in 1 - sum p, which a quotient of two would magnify.</summary>
    private const double LeastTail = 1e-6;

    private readonly double[] _student = new double[candidates.Count + 1], _teacher = new double[candidates.Count + 1],
        _coefficients = new double[candidates.Count + 1];

    /// <summary>The coefficients of the candidates, n x K; zeros where <see cref="Add"/> was not called.</summary>
    public double[] CandidateCoefficients { get; } = new double[candidates.Base.Length];

    /// <summary>Adds a position.</summary>
    /// <param name="t">Its index.</param>
    /// <param name="logP">The student's log-probability of the response's own token.</param>
    /// <param name="logQ">The teacher's.</param>
    /// <param name="weight">Multiplies the loss and the coefficients.</param>
    /// <param name="factor">Multiplies the coefficients of the candidates as well, as the caller multiplies the rest.</param>
    /// <returns>The weighted divergence, and the coefficient of the response's own token.</returns>
    public (double Loss, double Coefficient) Add(int t, double logP, double logQ, double weight, double factor)
    {
        (_student[0], _teacher[0]) = (logP, logQ);
        candidates.Base.AsSpan(t * candidates.Count, candidates.Count).CopyTo(_student.AsSpan(1));
        candidates.Source.AsSpan(t * candidates.Count, candidates.Count).CopyTo(_teacher.AsSpan(1));
        var loss = Divergence.Of(alpha, _student, _teacher,
            tail ? (Divergence.LogTail(_student, LeastTail), Divergence.LogTail(_teacher, LeastTail)) : null, _coefficients);
        for (var k = 0; k < candidates.Count; k++) CandidateCoefficients[t * candidates.Count + k] = factor * weight * _coefficients[k + 1];
        return (weight * loss, weight * _coefficients[0]);
    }
}
