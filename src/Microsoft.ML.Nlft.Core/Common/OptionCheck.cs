using System.Globalization;

namespace Microsoft.ML.Nlft.Common;

/// <summary>Refuses bad options with a uniform message: the option's name, the value found, its range and a remedy.</summary>
public static class OptionCheck
{
    /// <summary>Throws unless <paramref name="valid"/> is true.</summary>
    /// <param name="valid">Whether the value lies in its range.</param>
    /// <param name="option">The option's name.</param>
    /// <param name="value">The value found.</param>
    /// <param name="expected">The range, for example "a number above 0".</param>
    /// <param name="remedy">The remedy, as a sentence.</param>
    /// <exception cref="NlftException">The value is not valid.</exception>
    public static void Require(bool valid, string option, object? value, string expected, string remedy)
    {
        if (!valid) throw new NlftException($"option {option}", Show(value), expected, remedy);
    }

    private static string Show(object? value) => value switch
    {
        null => "nothing",
        string text => $"\"{text}\"",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
