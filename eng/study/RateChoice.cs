using System.Globalization;

namespace Microsoft.ML.Nlft.Study;

/// <summary>The learning rate of a method, with the accuracy of every rate on the development family; empty when there was no choice.</summary>
internal sealed record RateChoice(double Rate, IReadOnlyList<(double Rate, double Accuracy)> Tried)
{
    /// <summary>Finds the best of several rates, the smaller of equals; a single one is taken as it is.</summary>
    /// <param name="rates">The rates in ascending order.</param>
    /// <param name="run">Runs a method with a rate; null: there was nothing to train on.</param>
    public static RateChoice Of(IReadOnlyList<double> rates, Func<double, IEnumerable<RunResult?>> run)
    {
        var tried = new List<(double Rate, double Accuracy)>();
        foreach (var rate in rates.Count > 1 ? rates : [])
        {
            var runs = run(rate).OfType<RunResult>().ToList();
            if (runs.Count > 0) tried.Add((rate, runs.Average(result => result.Accuracy)));
        }
        return new RateChoice(tried.Count == 0 ? rates[0] : tried.MaxBy(pair => pair.Accuracy).Rate, tried);
    }

    public override string ToString()
    {
        var tried = Tried.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Rate:0.0e+0}: {100 * pair.Accuracy:0.0} %"));
        return string.Create(CultureInfo.InvariantCulture, $"{Rate:0.0e+0}{(Tried.Count == 0 ? " (given)" : $" of {string.Join(", ", tried)}")}");
    }
}
