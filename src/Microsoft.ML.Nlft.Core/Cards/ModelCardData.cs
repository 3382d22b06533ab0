using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>The training rows of a <see cref="ModelCard"/>.</summary>
/// <param name="Correct">Rows with a correct response.</param>
/// <param name="Incorrect">Rows with an incorrect response and a judgment.</param>
/// <param name="Sources">The names of the files or data sets.</param>
public sealed partial record ModelCardData(int Correct, int Incorrect, IReadOnlyList<string> Sources)
{
    /// <summary>Gets the number of rows.</summary>
    public int Rows => Correct + Incorrect;

    /// <summary>Creates the description of training rows.</summary>
    /// <param name="rows">The training rows.</param>
    /// <param name="sources">
    /// The names of the files or data sets; null: the file names (without folders) in <see cref="TrainingExample.Source"/>.
    /// </param>
    public static ModelCardData Of(IReadOnlyList<TrainingExample> rows, IReadOnlyList<string>? sources = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var incorrect = rows.Count(row => row.Polarity == Polarity.Incorrect);
        sources ??= [.. rows.Select(row => Place().Match(row.Source)).Where(place => place.Success)
            .Select(place => place.Groups[1].Value.Split('/', '\\')[^1]).Distinct(StringComparer.Ordinal)];
        return new ModelCardData(rows.Count - incorrect, incorrect, sources);
    }

    [GeneratedRegex(@"\A(.+), line [0-9]+\z", RegexOptions.Singleline)]
    private static partial Regex Place();
}
