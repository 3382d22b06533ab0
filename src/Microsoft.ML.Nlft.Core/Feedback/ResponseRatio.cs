using System.Globalization;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>Gives a ratio of correct to incorrect responses.</summary>
/// <param name="Correct">Parts of correct responses, 0 or more.</param>
/// <param name="Incorrect">Parts of incorrect responses, 0 or more; not both parts are 0.</param>
public readonly record struct ResponseRatio(int Correct, int Incorrect)
{
    /// <summary>Correct responses alone.</summary>
    public static ResponseRatio AllCorrect { get; } = new(1, 0);

    /// <summary>Incorrect responses alone.</summary>
    public static ResponseRatio AllIncorrect { get; } = new(0, 1);

    /// <summary>Reads <c>3:1</c> (correct to incorrect), <c>correct</c> or <c>incorrect</c>.</summary>
    /// <exception cref="NlftException">The text is none of these.</exception>
    public static ResponseRatio Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Equals("correct", StringComparison.OrdinalIgnoreCase)) return AllCorrect;
        if (text.Equals("incorrect", StringComparison.OrdinalIgnoreCase)) return AllIncorrect;
        if (text.Split(':') is [var left, var right] && int.TryParse(left, NumberStyles.None, CultureInfo.InvariantCulture, out var correct)
            && int.TryParse(right, NumberStyles.None, CultureInfo.InvariantCulture, out var incorrect) && (long)correct + incorrect > 0)
        {
            return new ResponseRatio(correct, incorrect);
        }
        throw new NlftException("a ratio of correct to incorrect responses", $"\"{text}\"",
            "two whole numbers as 3:1, \"correct\" or \"incorrect\"", "Write it like 1:3.");
    }

    /// <summary>The number of correct rows among <paramref name="count"/>; a half is rounded up.</summary>
    internal int CorrectOf(int count) => (int)((2L * count * Correct + Correct + Incorrect) / (2L * ((long)Correct + Incorrect)));

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Correct}:{Incorrect}");
}
