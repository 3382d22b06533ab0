using System.Globalization;

namespace Microsoft.ML.Nlft.Common;

/// <summary>The one way in which a bad option is refused: its name, the value found, the range, and what to do.</summary>
internal static class OptionCheck
{
    /// <summary>Throws unless <paramref name="valid"/>.</summary>
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
