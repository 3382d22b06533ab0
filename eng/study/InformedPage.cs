
namespace Microsoft.ML.Nlft.Study;

/// <summary>Writes the comparison on the same information as a Markdown page.</summary>
internal sealed class InformedPage(StudyOptions options, IReadOnlyList<StudyFamily> families,
    IReadOnlyDictionary<InformedMethod, RateChoice> rates, IReadOnlyList<InformedResult> results, string code) : MarkdownPage
{
    public string Markdown()
    {
        Text.Clear();
        Line("# Methods on the same information");
        Line("");
        Line("`./build.sh study --informed` writes this page. The rows carry the worked solution as the answer, as in GSM8K, and every method may");
        Line("read all columns. Model, families and tests are those of [the study](study.md); [methods](methods.md) explains the methods.");
        Line("");
        Line($"- Command: `./build.sh study {options.CommandLine}`; code "
            + $"{CodeVersions.Text(Done.Select(run => run.Code).Append(code))}.");
        Line($"- Seeds {string.Join(", ", Enumerable.Range(1, options.Seeds))}. {StudyRun.TargetSteps} steps in batches of {StudyRun.BatchSize} for "
            + "every method; ReFT takes more.");
        Line($"- Learning rate: the best of {string.Join(", ", options.Rates.Select(rate => Invariant($"{rate:0.0e+0}")))} for each method on a "
            + $"family outside the tables ({StudyFamily.Development.Name}, {InformedStudy.SearchRows} rows,");
        Line($"  {StudyRun.DevelopmentSeeds.Length} seeds); the smaller of equally good ones.");
        Line("- Intervals: 95 %, Student's t over families and seeds. For a single family: the mean of the seeds, the least and the most.");
        Line("");
        Line("| method | what it does | learning rate |");
        Line("|---|---|---|");
        foreach (var method in InformedMethod.All) Line($"| {method.Name} | {method.What} | {rates[method]} |");
        Line("");
        foreach (var mix in InformedStudy.Mixes)
        {
            Line(mix == Mix.AsTheyCome ? "## Responses as sampled" : "## Wrong responses alone");
            Line("");
            Means(mix);
            Differences(mix);
            foreach (var family in families) Family(family, mix);
        }
        Mastered();
        Cost();
        return Text.ToString();
    }

    private IEnumerable<RunResult> Done => results.Select(run => run.Result).OfType<RunResult>();

    private void Means(Mix mix)
    {
        Header("method", Sizes(options));
        foreach (var method in InformedMethod.All)
            Row(method.Name, options.Rows.Select(rows => Interval([.. Of(mix, rows, method).Select(run => 100 * run.Result!.Accuracy)])));
        Line("");
    }

    /// <summary>Writes how far the others are above the first method, paired by family and seed.</summary>
    private void Differences(Mix mix)
    {
        var first = InformedMethod.All[0];
        Line($"Percentage points above {first.Name} for the same family and seed:");
        Line("");
        Header("method", Sizes(options));
        var better = new List<string>();
        foreach (var method in InformedMethod.All.Skip(1))
        {
            var differences = options.Rows.Select(rows => Above(first, method, mix, rows)).ToList();
            Row(method.Name, differences.Select(values => Interval(values, signed: true)));
            better.AddRange(options.Rows.Zip(differences).Where(pair => pair.Second.Count > 1 && Statistics.Mean(pair.Second).Lower > 0)
                .Select(pair => Invariant($"{method.Name} at {pair.First} rows")));
        }
        Line("");
        Line($"With the whole interval above 0: {(better.Count > 0 ? string.Join("; ", better) : "none")}.");
        Line("");
    }

    private List<double> Above(InformedMethod first, InformedMethod method, Mix mix, int rows) =>
    [
        .. from a in Of(mix, rows, method) join b in Of(mix, rows, first) on (a.Family, a.Seed) equals (b.Family, b.Seed)
        select 100 * (a.Result!.Accuracy - b.Result!.Accuracy),
    ];

    private void Family(StudyFamily family, Mix mix)
    {
        Line($"### {family.Name}{(mix == Mix.AllWrong ? ", wrong responses" : "")}");
        Line("");
        Header("method", Sizes(options));
        foreach (var method in InformedMethod.All)
        {
            Row(method.Name, options.Rows.Select(rows =>
                Range([.. Of(mix, rows, method).Where(run => run.Family == family).Select(run => 100 * run.Result!.Accuracy)])));
        }
        Line("");
    }

    /// <summary>The mean of the seeds, the least and the most.</summary>
    private static string Range(IReadOnlyList<double> seeds) =>
        seeds.Count == 0 ? "-" : Invariant($"{seeds.Average():0} [{seeds.Min():0} to {seeds.Max():0}]");

    private void Mastered()
    {
        Line("## What it costs elsewhere");
        Line("");
        Line("Accuracy on problems of the nine kinds that the base model masters, over all runs: mean, worst run.");
        Line("");
        Line("| method | as sampled | wrong alone |");
        Line("|---|---|---|");
        foreach (var method in InformedMethod.All)
        {
            Row(method.Name, InformedStudy.Mixes.Select(mix => options.Rows.SelectMany(rows => Of(mix, rows, method))
                .Select(run => 100 * run.Result!.Mastered).OfType<double>().ToList() is { Count: > 0 } all
                ? Invariant($"{all.Average():0.0}, {all.Min():0.0}") : "-"));
        }
        Line("");
    }

    private void Cost()
    {
        Line("## Time and memory of training");
        Line("");
        Costs(InformedMethod.All.Select(method =>
            (method.Name, results.Where(run => run.Method == method).Select(run => run.Result).OfType<RunResult>().ToList())), "processor seconds");
    }

    private IEnumerable<InformedResult> Of(Mix mix, int rows, InformedMethod method) =>
        results.Where(run => run.Result is not null && run.Mix == mix && run.Rows == rows && run.Method == method);
}
