using System.Globalization;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Study;

/// <summary>
/// Compares methods on the same information: the rows carry the worked solution as the answer, as in GSM8K, and every method may read all columns.
/// </summary>
internal sealed class InformedStudy(string modelFolder, string folder, StudyOptions options, string code, TextWriter log)
{
    /// <summary>The mixes: as sampled, and wrong responses alone.</summary>
    public static readonly Mix[] Mixes = [Mix.AsTheyCome, Mix.AllWrong];

    /// <summary>The rows of the search for learning rates.</summary>
    public const int SearchRows = 25;

    private readonly RunLedger _ledger = new(Path.Combine(folder, "informed.jsonl"));

    /// <summary>Runs what the ledger lacks and writes the page.</summary>
    public void Run(IReadOnlyDictionary<string, StudyData> data, IReadOnlyList<StudyFamily> families, string page,
        CancellationToken cancellationToken)
    {
        var rates = InformedMethod.All.ToDictionary(method => method, method => Search(data, method, cancellationToken));
        var plan = (from seed in Enumerable.Range(1, options.Seeds) from family in families from mix in Mixes from rows in options.Rows
            from method in InformedMethod.All select (family, mix, rows, method, seed)).ToList();
        var (results, progress) = (new List<InformedResult>(), new PlanProgress(plan.Count, log));
        foreach (var (family, mix, rows, method, seed) in plan)
        {
            results.Add(new(family, mix, rows, method, seed, progress.Follow($"{family.Name}, {rows} rows {mix}, {method.Name}, seed {seed}",
                () => Run(data, family, mix, rows, method, rates[method].Rate, seed, cancellationToken))));
        }
        ReportFile.Write(page, new InformedPage(options, families, rates, results, code).Markdown());
        log.WriteLine($"Written: {page}");
    }

    /// <summary>Finds the best rate of a method on the development family, the same rates and rows for each; the smaller of equals.</summary>
    private RateChoice Search(IReadOnlyDictionary<string, StudyData> data, InformedMethod method, CancellationToken cancellationToken)
    {
        var choice = RateChoice.Of(options.Rates, rate => StudyRun.DevelopmentSeeds
            .Select(seed => Run(data, StudyFamily.Development, Mix.AsTheyCome, SearchRows, method, rate, seed, cancellationToken).Result));
        log.WriteLine($"learning rate of {method.Name}: {choice}");
        return choice;
    }

    private (RunResult? Result, bool IsFresh) Run(IReadOnlyDictionary<string, StudyData> data, StudyFamily family, Mix mix, int count,
        InformedMethod method, double rate, int seed, CancellationToken cancellationToken)
    {
        var key = string.Create(CultureInfo.InvariantCulture, $"{family.Name} | {mix} | {count} | {method.Name} | {rate} | {seed}");
        if (_ledger.Find(key) is { } known) return (known, false);
        if (data[family.Name].Rows(mix, count, seed) is not { } drawn) return (null, false);
        cancellationToken.ThrowIfCancellationRequested();
        using var model = LocalModel.Load(modelFolder, new() { Trainable = TrainableWeights.Lora, Seed = seed }, cancellationToken);
        var rows = drawn.Select(row => row.Example with { Answer = row.GoldSolution }).ToList();
        var run = new InformedRun(model, rows, data[family.Name].Judge(seed), rate, seed, new PeakMemory(), cancellationToken);
        if (run.Measure(method) is not { } cost) return (null, true);
        var tests = data[family.Name].TestModel(model, cancellationToken);
        var mastered = data[family.Name].TestMastered(model, cancellationToken);
        var result = new RunResult(key, tests.Right, data[family.Name].Test.Count, cost.Steps, cost.Seconds, cost.Megabytes, code)
        {
            Mastered = (double)mastered.Right / mastered.Total,
        };
        _ledger.Add(result);
        return (result, true);
    }
}

/// <summary>A run of the comparison; without a result, there was nothing to train on.</summary>
internal sealed record InformedResult(StudyFamily Family, Mix Mix, int Rows, InformedMethod Method, int Seed, RunResult? Result);
