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
        return new ModelCardData(rows.Count - incorrect, incorrect, sources ?? SourcesOf(rows.Select(row => row.Source)));
    }

    /// <summary>Counts rows that are encoded.</summary>
    internal static ModelCardData Of(IReadOnlyList<EncodedExample> rows)
    {
        var incorrect = rows.Count(row => row.Polarity == Polarity.Incorrect);
        return new ModelCardData(rows.Count - incorrect, incorrect, SourcesOf(rows.Select(row => row.Source)));
    }

    /// <summary>The files that places like "rows.jsonl, line 3" name, without their folders.</summary>
    private static IReadOnlyList<string> SourcesOf(IEnumerable<string> places) =>
        [.. places.Select(place => Place().Match(place)).Where(place => place.Success)
            .Select(place => place.Groups[1].Value.Split('/', '\\')[^1]).Distinct(StringComparer.Ordinal)];

    [GeneratedRegex(@"\A(.+), line [0-9]+\z", RegexOptions.Singleline)]
    private static partial Regex Place();
}
