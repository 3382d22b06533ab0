namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// The divergence of a student p from a fixed teacher q over a few tokens of the vocabulary, and its gradient as coefficients c_k = -dL/d log p_k.
/// The rest of the vocabulary is one bucket T, or is left out and both are renormalised. With alpha = 0: KL(q || p); 1: KL(p || q); between:
/// (1 - alpha) KL(p || m) + alpha KL(q || m) with m = (1 - alpha) p + alpha q (R. Agarwal et al., arXiv 2306.13649, eq. 1, in the order of TRL).
/// </summary>
internal static class Divergence
{
    /// <summary>Computes the divergence at one position.</summary>
    /// <param name="alpha">In [0, 1].</param>
    /// <param name="student">log p_k, m values.</param>
    /// <param name="teacher">log q_k, m values.</param>
    /// <param name="tail">log p_T and log q_T of the bucket; null: no bucket.</param>
    /// <param name="coefficients">Receives c_k, m values.</param>
    /// <returns>The divergence.</returns>
    public static double Of(double alpha, ReadOnlySpan<double> student, ReadOnlySpan<double> teacher, (double Student, double Teacher)? tail,
        Span<double> coefficients)
    {
        if (tail is not { } bucket) return Renormalised(alpha, student, teacher, coefficients);
        var (loss, slopeOfTail) = Term(alpha, bucket.Student, bucket.Teacher);
        for (var k = 0; k < student.Length; k++)
        {
            // d log p_T / d log p_k = -p_k / p_T
            var (value, slope) = Term(alpha, student[k], teacher[k]);
            loss += value;
            coefficients[k] = slopeOfTail == 0 ? -slope : -slope + slopeOfTail * Math.Exp(student[k] - bucket.Student);
        }
        return loss;
    }

    /// <summary>log(1 - sum p_k), of <paramref name="least"/> where less is left.</summary>
    public static double LogTail(ReadOnlySpan<double> logProbabilities, double least)
    {
        var listed = 0.0;
        foreach (var logP in logProbabilities) listed += Math.Exp(logP);
        return Math.Log(Math.Max(1 - listed, least));
    }

    private static double Renormalised(double alpha, ReadOnlySpan<double> student, ReadOnlySpan<double> teacher, Span<double> coefficients)
    {
        var (sumP, sumQ) = (LogSum(student), LogSum(teacher));
        var (loss, mean) = (0.0, 0.0);
        for (var k = 0; k < student.Length; k++)
        {
            var (value, slope) = Term(alpha, student[k] - sumP, teacher[k] - sumQ);
            loss += value;
            mean += slope;
            coefficients[k] = -slope;
        }
        for (var k = 0; k < student.Length; k++) coefficients[k] += mean * Math.Exp(student[k] - sumP); // d log p'_j / d log p_k = [j = k] - p'_k
        return loss;
    }

    private static double LogSum(ReadOnlySpan<double> values)
    {
        var (largest, sum) = (double.NegativeInfinity, 0.0);
        foreach (var value in values) largest = Math.Max(largest, value);
        foreach (var value in values) sum += Math.Exp(value - largest);
        return largest + Math.Log(sum);
    }

    /// <summary>
    /// What one token, or the bucket, adds to the divergence, and its derivative with respect to log p, where the terms that the sum over all tokens
    /// cancels are left out. 0 log 0 = 0.
    /// </summary>
    private static (double Value, double Slope) Term(double alpha, double logP, double logQ)
    {
        var (p, q) = (Math.Exp(logP), Math.Exp(logQ));
        if (alpha == 0) return (q == 0 ? 0 : q * (logQ - logP), -q);
        var logM = alpha == 1 ? logQ : LogMixture(alpha, logP, logQ);
        var student = p == 0 ? 0 : (1 - (alpha == 1 ? 0 : alpha)) * p * (logP - logM);
        var teacher = alpha == 1 || q == 0 ? 0 : alpha * q * (logQ - logM);
        return (student + teacher, student);
    }

    /// <summary>log((1 - alpha) p + alpha q).</summary>
    private static double LogMixture(double alpha, double logP, double logQ)
    {
        var (a, b) = (Math.Log(1 - alpha) + logP, Math.Log(alpha) + logQ);
        var largest = Math.Max(a, b);
        return double.IsNegativeInfinity(largest) ? largest : largest + Math.Log(Math.Exp(a - largest) + Math.Exp(b - largest));
    }
}
