using System.Globalization;

namespace Microsoft.ML.Nlft.Study;

/// <summary>The size of a study.</summary>
internal sealed record StudyOptions
{
    /// <summary>Seeds of every cell: rows drawn, adapter, order, dropout.</summary>
    public int Seeds { get; init; } = 5;

    /// <summary>Numbers of rows.</summary>
    public IReadOnlyList<int> Rows { get; init; } = [10, 25, 50, 100, 200];

    /// <summary>Families; empty: all.</summary>
    public IReadOnlyList<string> Families { get; init; } = [];

    /// <summary>The learning rates that every method is tried with.</summary>
    public IReadOnlyList<double> Rates { get; init; } = [3e-4, 1e-3, 3e-3, 1e-2];

    /// <summary>Whether variants of NLFT are compared instead of methods.</summary>
    public bool Variants { get; init; }

    /// <summary>The page; null: docs/study.md, or docs/study-variants.md.</summary>
    public string? Output { get; init; }

    /// <summary>The arguments as they were given.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>Reads the command line; null when there is anything else.</summary>
    public static StudyOptions? Parse(IReadOnlyList<string> arguments)
    {
        var options = new StudyOptions { CommandLine = string.Join(' ', arguments) };
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == "--quick")
            {
                options = options with { Seeds = 1, Rows = [25, 50] };
                continue;
            }
            if (arguments[i] == "--variants")
            {
                options = options with { Variants = true };
                continue;
            }
            if (i + 1 == arguments.Count) return null;
            var (name, value) = (arguments[i], arguments[++i]);
            var numbers = value.Split(',').Select(part => double.TryParse(part, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : double.NaN).ToArray();
            var whole = numbers.All(number => number == Math.Floor(number) && number < 1e6);
            switch (name)
            {
                case "--seeds" when numbers.Length == 1 && whole: options = options with { Seeds = (int)numbers[0] }; break;
                case "--rows" when whole: options = options with { Rows = [.. numbers.Select(number => (int)number).Distinct().Order()] }; break;
                case "--rates" when !numbers.Any(double.IsNaN): options = options with { Rates = [.. numbers.Distinct().Order()] }; break;
                case "--families" when value.Split(',').All(family => StudyFamily.All.Any(known => known.Name == family)): options = options with { Families = value.Split(',') }; break;
                case "--output": options = options with { Output = value }; break;
                default: return null;
            }
        }
        return options;
    }
}
