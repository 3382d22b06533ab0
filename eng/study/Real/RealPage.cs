using System.Globalization;

namespace Microsoft.ML.Nlft.Study.Real;

/// <summary>Writes the comparison with a real model as a Markdown page.</summary>
internal sealed class RealPage(StudyOptions options, IReadOnlyDictionary<RealTask, RealTests> before,
    IReadOnlyDictionary<InformedMethod, RateChoice> rates, IReadOnlyList<RealResult> results, string code) : MarkdownPage
{
    /// <summary>Returns the page.</summary>
    /// <param name="record">The results on GSM8K, that before training first; empty: they are left out.</param>
    public string Markdown(IReadOnlyList<(string After, RunResult Result)> record)
    {
        Text.Clear();
        Line("# Methods with a real model");
        Line("");
        Line("`./build.sh study --real` writes this page. SmolLM2-135M-Instruct, a GGUF file of four-bit weights, fails these tasks for different");
        Line("reasons: it knows the content and not the **form** that is asked for, it takes the wrong step (**plan**), or it lacks a **fact** or");
        Line("gets a number wrong. Expected before the first run: words about a mistake help with form and plan, a worked solution with facts.");
        Line("[Methods](methods.md) explains the methods; [the same comparison with the sample model](study-informed.md) has more rows and seeds.");
        Line("");
        Line($"- Command: `./build.sh study {options.CommandLine}`; code "
            + $"{CodeVersions.Text(Done.Select(run => run.Code).Append(code))}.");
        Line($"- {RealStudy.Rows} rows: responses of the model at temperature 0.7, judged by rule, with the worked solution as the answer.");
        Line($"- {RealStudy.Steps} steps in batches of {StudyRun.BatchSize}. Seeds {string.Join(", ", Enumerable.Range(1, options.Seeds))}. "
            + $"Greedy answers to {RealStudy.Tests} other questions of a task.");
        Line($"- Learning rate: the best of {string.Join(", ", options.Rates.Select(rate => Invariant($"{rate:0.0e+0}")))} for each method on a task "
            + $"outside the tables ({RealTasks.Development.What}).");
        Line("- Intervals: 95 %, Student's t over tasks and seeds. For one kind of task: the mean, the least and the most.");
        Line("");
        Line("| method | what it does | learning rate |");
        Line("|---|---|---|");
        foreach (var method in RealStudy.Methods) Line($"| {method.Name} | {method.What} | {rates[method]} |");
        Line("");
        Line("## Right answers by what the model lacks");
        Line("");
        Header("method", [.. Enum.GetValues<Lack>().Select(lack => Invariant($"{lack}").ToLowerInvariant()), "all", $"all, above {First.Name}"]);
        Row("before training", [.. Enum.GetValues<Lack>().Select(lack => Share(before.Where(pair => pair.Key.Lack == lack))), Share(before), ""]);
        foreach (var method in RealStudy.Methods)
        {
            Row(method.Name, [.. Enum.GetValues<Lack>().Select(lack => Spread(Of(method).Where(run => run.Task.Lack == lack))),
                Interval([.. Of(method).Select(Percent)], "0"), method == First ? "" : Interval([.. Differences(method)], signed: true)]);
        }
        Line("");
        Line($"The last column compares a run with that of {First.Name} on the same task with the same seed.");
        Line("");
        Line("## Right answers by task");
        Line("");
        Header("method", RealTasks.All.Select(task => task.Name));
        Row("what", RealTasks.All.Select(task => task.What));
        Row("before training", RealTasks.All.Select(task => Invariant($"{100.0 * before[task].Right / RealStudy.Tests:0}")));
        foreach (var method in RealStudy.Methods)
        {
            Row(method.Name, RealTasks.All.Select(task => Of(method).Where(run => run.Task == task).Select(Percent).ToList()
                is { Count: > 0 } all ? Invariant($"{all.Average():0}") : "-"));
        }
        Line("");
        Line("## The other tasks");
        Line("");
        Line($"Right answers to {RealStudy.TestsElsewhere} questions of each task that was not trained: mean, worst run. Before training the model "
            + $"has {Share(before.Where(pair => pair.Key != RealTasks.Development))} %");
        Line($"of {RealStudy.Tests} questions of each.");
        Line("");
        Line("| method | other tasks |");
        Line("|---|---|");
        foreach (var method in RealStudy.Methods)
        {
            var others = Of(method).Select(run => 100 * run.Result!.Mastered).OfType<double>().ToList();
            Row(method.Name, [others.Count > 0 ? Invariant($"{others.Average():0}, {others.Min():0}") : "-"]);
        }
        Line("");
        Answers();
        Record(record);
        Line("## Time and memory of training");
        Line("");
        Costs(RealStudy.Methods.Select(method => (method.Name, Of(method).Select(run => run.Result!).ToList())), "processor seconds");
        return Text.ToString();
    }

    private void Record(IReadOnlyList<(string After, RunResult Result)> record)
    {
        if (record.Count == 0) return;
        var tests = record[0].Result.Total;
        Line("## GSM8K, for the record");
        Line("");
        Line($"All {tests.ToString("N0", CultureInfo.InvariantCulture)} test questions, greedy answers of at most "
            + $"{Gsm8kRecord.MaximumNewTokens} tokens, judged by the last number; {Gsm8kRecord.Rows} training rows, {Gsm8kRecord.Steps} steps.");
        Line("");
        Line("| trained by | right | of all |");
        Line("|---|---|---|");
        foreach (var (after, result) in record) Row(after, [Invariant($"{result.Right}"), Invariant($"{100 * result.Accuracy:0.0} %")]);
        Line("");
    }

    /// <summary>The first question of each task that the model fails before training, with its answers before and after.</summary>
    private void Answers()
    {
        Line("## Answers before and after");
        Line("");
        Line($"The first of {RealStudy.Shown} test questions of each task that the model fails before training; after training with seed 1.");
        foreach (var task in RealTasks.All)
        {
            var problems = task.Distinct(RealStudy.Shown, RealStudy.DrawSeed);
            var first = Math.Max(0, problems.Zip(before[task].Answers).ToList().FindIndex(pair => pair.First.Fault(pair.Second) is not null));
            Line("");
            Line($"**{task.Name}**: {OneLine(problems[first].Question)}");
            Line("");
            Line("| method | answer | fault |");
            Line("|---|---|---|");
            void Answer(string method, string answer) =>
                Row(method, [$"`{OneLine(answer).Replace('`', '\'')}`", OneLine(problems[first].Fault(answer) ?? "none")]);
            Answer("before training", before[task].Answers[first]);
            foreach (var run in results.Where(run => run.Task == task && run.Seed == 1))
                if (run.Result?.Answers is { } answers) Answer(run.Method.Name, answers[first]);
        }
        Line("");
    }

    private static string OneLine(string text) =>
        string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Replace("|", "\\|", StringComparison.Ordinal);

    private IEnumerable<RunResult> Done => results.Select(run => run.Result).OfType<RunResult>();

    private IEnumerable<RealResult> Of(InformedMethod method) => results.Where(run => run.Result is not null && run.Method == method);

    private static string Share(IEnumerable<KeyValuePair<RealTask, RealTests>> tests) =>
        Invariant($"{100 * tests.Where(pair => pair.Key != RealTasks.Development).Average(pair => (double)pair.Value.Right / RealStudy.Tests):0}");

    /// <summary>The mean, and the least and the most of several.</summary>
    private static string Spread(IEnumerable<RealResult> runs) => runs.Select(Percent).ToList() switch
    {
        [] => "-",
        [var one] => Invariant($"{one:0}"),
        var several => Invariant($"{several.Average():0} ({several.Min():0} to {several.Max():0})"),
    };

    private static double Percent(RealResult run) => 100 * run.Result!.Accuracy;

    private IEnumerable<double> Differences(InformedMethod method) => from run in Of(method)
        join other in Of(First) on (run.Task, run.Seed) equals (other.Task, other.Seed) select Percent(run) - Percent(other);

    private static InformedMethod First => RealStudy.Methods[0];
}
