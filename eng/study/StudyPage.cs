using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Study;

/// <summary>Writes the study as a Markdown page with its plot.</summary>
internal sealed class StudyPage(
    StudyOptions options, IReadOnlyList<StudyFamily> families,
    IReadOnlyDictionary<string, (int Right, int Total, (int Correct, int Incorrect) Pool)> basic,
    IReadOnlyDictionary<Method, RateChoice> rates, IReadOnlyList<(Cell Cell, RunResult? Result)> results, string code) : MarkdownPage
{
    /// <summary>Writes page and plot atomically.</summary>
    public void Write(string path)
    {
        var plot = Path.Combine(Path.GetDirectoryName(path)!, "images", "study.svg");
        ReportFile.Write(plot, new StudyPlot(families, options.Rows, MainPoint).Write());
        ReportFile.Write(path, Markdown());
    }

    public string Markdown()
    {
        Text.Clear();
        Line("# NLFT and supervised fine-tuning, compared");
        Line("");
        Line("`./build.sh study` writes this page. It compares methods on a model of a million parameters and generated word problems;");
        Line("conclusions about large models are guesses at best. See [findings](findings.md) for the lessons and");
        Line("[variants](study-variants.md) for each option.");
        Line("");
        Line($"- Command: `./build.sh study{(options.CommandLine.Length > 0 ? " " + options.CommandLine : "")}`; code "
            + $"{CodeVersions.Text(Done.Select(run => run.Code).Append(code))}.");
        Line($"- Seeds {string.Join(", ", Enumerable.Range(1, options.Seeds))}: each draws the rows, the adapter's first weights, the order of the "
            + "rows and dropout.");
        var steps = options.Rows.Select(rows =>
            Invariant($"{rows} rows: {StudyRun.EpochsFor(rows) * ((rows + StudyRun.BatchSize - 1) / StudyRun.BatchSize)}"));
        Line($"- Training: LoRA as published, batches of {StudyRun.BatchSize}, about {StudyRun.TargetSteps} steps");
        Line($"  ({string.Join(", ", steps)}), equal for every method.");
        Line($"- Learning rate: the best of {string.Join(", ", options.Rates.Select(rate => Invariant($"{rate:0.0e+0}")))} for each method on a "
            + "family");
        Line($"  outside the tables ({StudyFamily.Development.Name}, {string.Join(" and ", StudyRun.DevelopmentRows)} rows, "
            + $"{StudyRun.DevelopmentSeeds.Length} seeds each); the smaller of equally good ones.");
        Line("- Rows: the base model's responses at temperature 1, four per question.");
        Line("- Tests: greedy answers to problems outside rows and pretraining.");
        Line(options.Seeds > 1 ? "- Intervals: 95 %, Student's t over the seeds' accuracies."
            : "- Intervals: 95 %, Wilson's over the test problems; one seed does not show how much seeds differ.");
        Line("");
        Families();
        Methods();
        Line("## Accuracy by number of rows, responses as sampled");
        Line("");
        Line("![Accuracy by number of rows](images/study.svg)");
        Line("");
        foreach (var family in families) Sizes(family, Mix.AsTheyCome);
        Mixes();
        Differences();
        Cost();
        return Text.ToString();
    }

    private IEnumerable<RunResult> Done => results.Select(pair => pair.Result).OfType<RunResult>();

    private void Families()
    {
        Line("## Families");
        Line("");
        Line("| family | what is difficult | base model right | responses: right | wrong |");
        Line("|---|---|---|---|---|");
        foreach (var family in families)
        {
            var (right, total, pool) = basic[family.Name];
            Line(Invariant($"| {family.Name} | {family.What} | {100.0 * right / total:0.0} % of {total} | {pool.Correct} | {pool.Incorrect} |"));
        }
        foreach (var family in families)
        {
            var found = results.Where(pair => pair.Cell.Family == family && pair.Result is not null).ToList();
            if (found.Count > 0 && found.All(pair => pair.Result!.Right == pair.Result.Total))
                Line($"\nEvery method answers all tests of {family.Name}: it does not distinguish them and must be made harder.");
        }
        Line("");
    }

    private void Methods()
    {
        Line("## Methods");
        Line("");
        Line("| method | what it does | learning rate |");
        Line("|---|---|---|");
        foreach (var method in Method.All) Line($"| {method.Name} | {method.What} | {rates[method]} |");
        foreach (var method in Method.All.Where(method => rates[method].Tried is { Count: > 1 } tried
            && (rates[method].Rate == tried[0].Rate || rates[method].Rate == tried[^1].Rate)))
        {
            Line($"\nThe best rate of {method.Name} is the smallest or largest one tried: a better one may lie outside that range.");
        }
        Line("");
    }

    private void Sizes(StudyFamily family, Mix mix)
    {
        Line($"### {family.Name}");
        Line("");
        Header("method", Sizes(options));
        foreach (var method in Method.All.Where(method => mix == Mix.AsTheyCome || !method.NeedsBothKinds))
            Row(method.Name, options.Rows.Select(rows => Shown(family, mix, rows, method)));
        Line("");
    }

    private void Mixes()
    {
        foreach (var (mix, title) in new[] { (Mix.AllWrong, "all of them wrong"), (Mix.AllCorrect, "all of them correct") })
        {
            Line($"## Accuracy by number of rows, {title}");
            Line("");
            foreach (var family in families) Sizes(family, mix);
        }
        Line("A dash: the base model generated too few such responses.");
        Line("");
    }

    /// <summary>Writes the differences between NLFT and the others, paired by family, size and seed.</summary>
    private void Differences()
    {
        Line("## NLFT against the others");
        Line("");
        Line("Percentage points of accuracy of NLFT above the other method for the same family, number of rows and seed, responses as sampled;");
        Line("the interval treats families and seeds as a sample.");
        Line("");
        Header("NLFT minus", Sizes(options));
        foreach (var method in Method.All.Skip(1)) Row(method.Name, options.Rows.Select(rows => Difference(method, rows)));
        Line("");
    }

    private string Difference(Method other, int rows)
    {
        var mine = results.Where(pair => pair.Result is not null && pair.Cell.Mix == Mix.AsTheyCome && pair.Cell.Rows == rows).ToList();
        var pairs = from a in mine.Where(pair => pair.Cell.Method == Method.All[0])
                    join b in mine.Where(pair => pair.Cell.Method == other) on (a.Cell.Family, a.Cell.Seed) equals (b.Cell.Family, b.Cell.Seed)
                    select 100 * (a.Result!.Accuracy - b.Result!.Accuracy);
        var values = pairs.ToList();
        if (values.Count == 0) return "-";
        var estimate = Statistics.Mean(values);
        return values.Count == 1 ? Invariant($"{estimate.Mean:+0.0;-0.0;0.0} (one pair)") : Signed(estimate);
    }

    private void Cost()
    {
        Line("## Time and memory of training");
        Line("");
        Line("Means over all runs of a method. Time is that of training, on the machine of the run; memory is the peak of the process, including");
        Line("the runtime and the data of the study.");
        Line("");
        Costs(Method.All.Select(method =>
            (method.Name, results.Where(pair => pair.Cell.Method == method).Select(pair => pair.Result).OfType<RunResult>().ToList())));
    }

    private List<RunResult> Seeds(StudyFamily family, Mix mix, int rows, Method method) =>
        [.. results.Where(pair => pair.Result is not null && pair.Cell.Family == family && pair.Cell.Mix == mix && pair.Cell.Rows == rows
            && pair.Cell.Method == method).Select(pair => pair.Result!)];

    private Estimate? MainPoint(StudyFamily family, int rows, Method method) =>
        Seeds(family, Mix.AsTheyCome, rows, method) is { Count: > 0 } seeds ? Statistics.Accuracy(seeds) : null;

    private string Shown(StudyFamily family, Mix mix, int rows, Method method)
    {
        var seeds = Seeds(family, mix, rows, method);
        if (seeds.Count == 0) return "-";
        var estimate = Statistics.Accuracy(seeds);
        return Invariant($"{100 * estimate.Mean:0.0} [{100 * estimate.Lower:0.0} to {100 * estimate.Upper:0.0}]")
            + (seeds.Count < options.Seeds ? $" ({seeds.Count} seeds)" : "");
    }
}
