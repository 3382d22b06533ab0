using System.Globalization;
using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.TinyModel;

/// <summary>The options of the command line.</summary>
internal sealed record Options(int? Steps, string? Output, int? Problems)
{
    /// <summary>Parses the options; returns null for anything unknown.</summary>
    public static Options? Parse(ReadOnlySpan<string> arguments)
    {
        var options = new Options(null, null, null);
        for (var i = 0; i < arguments.Length; i += 2)
        {
            if (i + 1 == arguments.Length) return null;
            int? number = int.TryParse(arguments[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n > 0 ? n : null;
            switch (arguments[i])
            {
                case "--steps" when number is not null: options = options with { Steps = number }; break;
                case "--problems" when number is not null: options = options with { Problems = number }; break;
                case "--output": options = options with { Output = arguments[i + 1] }; break;
                default: return null;
            }
        }

        return options;
    }
}

/// <summary>Locates the repository.</summary>
internal static class Repository
{
    /// <summary>Returns the root folder, relative to this source file.</summary>
    public static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));
}
