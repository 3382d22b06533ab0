
namespace Microsoft.ML.Nlft.Study;

/// <summary>Writes the comparison of variants as a Markdown page.</summary>
internal sealed class VariantPage(StudyOptions options, IReadOnlyList<StudyFamily> families,
    IReadOnlyList<(Cell Cell, Variant Variant, RunResult? Result)> results) : MarkdownPage
{
    public string Markdown()
    {
        Text.Clear();
        Line("# Variants of NLFT");
        Line("");
        Line("`./build.sh study --variants` writes this page. Every row changes one option of the published objective; docs/options.md explains the");
        Line("options. Families, rows and tests are those of [the study](study.md).");
        Line("");
        Line($"- Command: `./build.sh study {options.CommandLine}`; code "
            + $"{CodeVersions.Text(results.Select(run => run.Result?.Code).OfType<string>())}.");
        Line(Invariant(
            $"- {Variant.Rows} rows, {Variant.Seeds} seeds, about {StudyRun.TargetSteps} steps. The learning rate is {Variant.CommonRate:0.0e+0}"));
        Line("  unless the row says otherwise; it is not searched for each variant, so a small difference may be due to the rate.");
        Line("- Accuracy in percent, mean over seeds, minimum and maximum in brackets.");
        Line("- Salient: share of the response tokens that were salient in the first and in the last five steps, in percent.");
        Line("");
        foreach (var mix in Variant.Mixes)
        {
            Line(mix == Mix.AsTheyCome ? "## Responses as sampled" : "## Wrong responses only");
            Line("");
            Header("method", [.. families.Select(family => family.Name), "mean"]);
            foreach (var variant in Variant.All.Where(variant => Runs(variant, mix).Any()))
                Row(variant.Method.Name, [.. families.Select(family => Accuracy(Runs(variant, mix, family))), Mean(Runs(variant, mix))]);
            Line("");
            Header("salient tokens: first, last steps", families.Select(family => family.Name));
            foreach (var variant in Variant.All.Where(variant => Runs(variant, mix).Any(run => run.Salient is [> 0, ..] or [_, > 0])))
                Row(variant.Method.Name, families.Select(family => Salient(Runs(variant, mix, family))));
            Line("");
        }
        Line("## What the models write");
        Line("");
        Line("The first test that a model got wrong, seed 1, wrong responses only.");
        Line("");
        foreach (var family in families)
        {
            foreach (var (cell, _, result) in results.Where(run => run.Cell.Family == family && run.Cell.Mix == Mix.AllWrong && run.Cell.Seed == 1)
                .Take(4))
            {
                if (result?.FirstWrong is not { } wrote) continue;
                Line($"{cell.Method.Name}, {family.Name}:");
                Line("");
                foreach (var line in wrote.Split('\n')) Line($"    {line}");
                Line("");
            }
        }
        return Text.ToString().TrimEnd('\n') + "\n";
    }

    private IEnumerable<RunResult> Runs(Variant variant, Mix mix, StudyFamily? family = null) =>
        results.Where(run => run.Variant == variant && run.Cell.Mix == mix && (family is null || run.Cell.Family == family)).Select(run => run.Result)
            .OfType<RunResult>();

    private static string Accuracy(IEnumerable<RunResult> runs)
    {
        var all = runs.Select(run => 100 * run.Accuracy).ToList();
        return all.Count == 0 ? "-" : Invariant($"{all.Average():0.0} [{all.Min():0} to {all.Max():0}]");
    }

    private static string Mean(IEnumerable<RunResult> runs) => Invariant($"{runs.Average(run => 100 * run.Accuracy):0.0}");

    private static string Salient(IEnumerable<RunResult> runs)
    {
        var all = runs.Select(run => run.Salient).OfType<double[]>().ToList();
        return all.Count == 0 ? "-" : Invariant($"{100 * all.Average(pair => pair[0]):0.0}, {100 * all.Average(pair => pair[1]):0.0}");
    }
}
