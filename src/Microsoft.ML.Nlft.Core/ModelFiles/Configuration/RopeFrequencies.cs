namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Computes the frequencies of rotary position embedding: f_i = theta^(-2i/d), where d is the rotated part of a head, scaled as rope_scaling says
/// (linear, dynamic NTK, llama3, yarn: arXiv 2309.00071, longrope: arXiv 2402.13753).
/// </summary>
public static class RopeFrequencies
{
    /// <summary>Computes the angle per position of every rotated pair of a head, and the factor on cosine and sine.</summary>
    /// <param name="rope">The settings.</param>
    /// <param name="headSize">The width of a head.</param>
    /// <param name="length">Tokens of the sequence, on which the frequencies of types dynamic and longrope depend. Default 0: a short one.</param>
    /// <returns>d/2 frequencies in radians per position, and the factor (1 except for yarn and longrope).</returns>
    /// <exception cref="NlftException"><see cref="RopeConfiguration.Type"/> is unknown.</exception>
    public static (double[] Frequencies, double Magnitude) Of(RopeConfiguration rope, int headSize, int length = 0)
    {
        ArgumentNullException.ThrowIfNull(rope);
        var (size, isLong) = (rope.RotatedSize(headSize), DependOnLength(rope, length));
        var theta = isLong && rope.Type == "dynamic" ? DynamicTheta(rope, size, length) : rope.Theta;
        var frequencies = new double[size / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            var f = Math.Pow(theta, -2.0 * i / size);
            frequencies[i] = rope.Type switch
            {
                "default" or "dynamic" => f,
                "linear" => f / rope.Factor,
                "llama3" => Llama3(rope, f),
                "yarn" => Yarn(rope, f, i, size),
                "longrope" => f / (isLong ? rope.LongFactors : rope.ShortFactors)[i],
                _ => throw new NlftException("config.json, rope_type", $"\"{rope.Type}\"", RopeReader.Types, "Use a model with one of these."),
            };
        }
        return (frequencies, Magnitude(rope));
    }

    /// <summary>Returns whether a sequence of that many tokens has frequencies of its own, rather than those of all short sequences.</summary>
    /// <param name="rope">The settings.</param>
    /// <param name="length">Tokens of the sequence.</param>
    public static bool DependOnLength(RopeConfiguration rope, int length)
    {
        ArgumentNullException.ThrowIfNull(rope);
        return rope.Type is "dynamic" or "longrope" && length > rope.OriginalMaximumPositions;
    }

    /// <summary>Returns whether a sequence of that many tokens has frequencies of its own in some layer of a model.</summary>
    internal static bool DependOnLength(ModelConfiguration model, int length) =>
        DependOnLength(model.Rope, length) || (model.SlidingRope is { } sliding && DependOnLength(sliding, length));

    /// <summary>
    /// Returns whether a sequence that grows to that many tokens is rotated anew from its start, as with longrope, whose frequencies change once.
    /// With dynamic scaling the keys of earlier positions keep the frequencies that they have.
    /// </summary>
    /// <param name="rope">The settings.</param>
    /// <param name="length">Tokens of the sequence.</param>
    public static bool StartAnew(RopeConfiguration rope, int length)
    {
        ArgumentNullException.ThrowIfNull(rope);
        return rope.Type == "longrope" && length == rope.OriginalMaximumPositions + 1;
    }

    private static double Magnitude(RopeConfiguration rope) => rope.Type switch
    {
        "yarn" or "longrope" when rope.AttentionFactor is { } factor => factor,
        "yarn" when rope.Factor > 1 => 0.1 * Math.Log(rope.Factor) + 1,
        "longrope" when rope.Factor > 1 => Math.Sqrt(1 + Math.Log(rope.Factor) / Math.Log(rope.OriginalMaximumPositions)),
        _ => 1,
    };

    /// <summary>Dynamic NTK: theta' = theta (factor n / L - (factor - 1))^(d / (d - 2)) for n tokens beyond the L of the model.</summary>
    private static double DynamicTheta(RopeConfiguration rope, int size, int length) => rope.Theta
        * Math.Pow(rope.Factor * length / rope.OriginalMaximumPositions - (rope.Factor - 1), size / (size - 2.0));

    private static double Llama3(RopeConfiguration rope, double f)
    {
        var wavelength = 2 * Math.PI / f;
        if (wavelength < rope.OriginalMaximumPositions / rope.HighFrequencyFactor) return f;
        if (wavelength > rope.OriginalMaximumPositions / rope.LowFrequencyFactor) return f / rope.Factor;
        var share = (rope.OriginalMaximumPositions / wavelength - rope.LowFrequencyFactor) / (rope.HighFrequencyFactor - rope.LowFrequencyFactor);
        return (1 - share) * f / rope.Factor + share * f;
    }

    private static double Yarn(RopeConfiguration rope, double f, int i, int size)
    {
        double Dimension(double rotations) =>
            size * Math.Log(rope.OriginalMaximumPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(rope.Theta));
        var (low, high) = (Dimension(rope.BetaFast), Dimension(rope.BetaSlow));
        if (rope.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, size - 1));
        var ramp = Math.Clamp((i - low) / (high == low ? 0.001 : high - low), 0, 1);
        return f / rope.Factor * ramp + f * (1 - ramp);
    }
}
