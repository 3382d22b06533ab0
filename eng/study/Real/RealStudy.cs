using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Study.Real;

/// <summary>
/// Compares methods with a real model on tasks that it fails for different reasons. The rows carry the worked solution as the answer, and every
/// method may read all columns.
/// </summary>
/// <param name="modelFile">The model.</param>
/// <param name="gsm8k">The folder with the files of GSM8K.</param>
/// <param name="folder">The folder of the finished runs.</param>
/// <param name="options">The size.</param>
/// <param name="code">The commit and date of the code.</param>
/// <param name="log">Receives a line per run.</param>
internal sealed class RealStudy(string modelFile, string gsm8k, string folder, StudyOptions options, string code, TextWriter log)
{
    /// <summary>Rows to train on, of so many questions, with so many responses to each.</summary>
    public const int Rows = 25, Questions = 40, SamplesPerQuestion = 2;

    /// <summary>Questions that test a task after training on it, and that test it after training on another one.</summary>
    public const int Tests = 50, TestsElsewhere = 10;

    /// <summary>Answers of a run that are kept to be shown.</summary>
    public const int Shown = 5;

    /// <summary>Optimizer steps, and the longest answer in tokens.</summary>
    public const int Steps = 25, MaximumNewTokens = 48;

    internal const int DrawSeed = 4711;

    private readonly RunLedger _ledger = new(Path.Combine(folder, "real.jsonl"));

    /// <summary>The methods of the comparison on the same information that a real model can afford on a CPU.</summary>
    public static IReadOnlyList<InformedMethod> Methods { get; } = [.. InformedMethod.All.Where(method => method.Name is "SFT, solutions"
        or "SFT, right responses" or "NLFT" or "NLFT and solutions" or "CUT" or "CUT and solutions" or "self-distillation"
        or "rejection sampling" or "ReFT")];

    /// <summary>Runs what the ledger lacks and writes the page.</summary>
    public async Task RunAsync(string page, CancellationToken cancellationToken)
    {
        var rows = new Dictionary<RealTask, IReadOnlyList<DataRow>>();
        var before = new Dictionary<RealTask, RealTests>();
        using (var model = LocalModel.Load(modelFile, cancellationToken: cancellationToken))
        {
            foreach (var task in (RealTask[])[.. RealTasks.All, RealTasks.Development])
            {
                rows[task] = await RespondAsync(model, task, cancellationToken);
                before[task] = Test(model, task, Tests, cancellationToken);
                log.WriteLine($"{task.Name}: {rows[task].Count(row => row.Polarity == Polarity.Correct)} of {rows[task].Count} responses and "
                    + $"{before[task].Right} of {Tests} test answers right before training");
            }
        }
        var rates = Methods.ToDictionary(method => method, method => Search(rows, method, cancellationToken));
        var plan = (from seed in Enumerable.Range(1, options.Seeds) from task in RealTasks.All from method in Methods
                    select (task, method, seed)).ToList();
        var (results, progress) = (new List<RealResult>(), new PlanProgress(plan.Count, log));
        foreach (var (task, method, seed) in plan)
        {
            results.Add(new(task, method, seed, progress.Follow($"{task.Name}, {method.Name}, seed {seed}",
                () => Run(rows[task], task, method, rates[method].Rate, seed, cancellationToken))));
        }
        var finished = new RealPage(options, before, rates, results, code);
        ReportFile.Write(page, finished.Markdown(record: []));
        var record = await new Gsm8kRecord(modelFile, gsm8k, _ledger, code, log).RunAsync(
            method => rates[method].Rate, Path.Combine(folder, "real-responses-gsm8k.jsonl"), cancellationToken);
        ReportFile.Write(page, finished.Markdown(record));
        log.WriteLine($"Written: {page}");
    }

    /// <summary>The model's own responses to the questions of a task, judged.</summary>
    private Task<IReadOnlyList<DataRow>> RespondAsync(LocalModel model, RealTask task, CancellationToken cancellationToken)
    {
        var problems = task.Distinct(Tests + Questions, DrawSeed).Skip(Tests).ToList();
        var questions = problems.Select((problem, i) => new DataRow
        {
            Question = problem.Question, Answer = problem.Solution, Source = $"problem {i} of {task.Name}",
        });
        return RespondAsync(model, questions, SamplesPerQuestion, MaximumNewTokens, new RealJudge(problems),
            Path.Combine(folder, $"real-responses-{task.Name}.jsonl"), cancellationToken);
    }

    /// <summary>The model's own responses at temperature 0.7, judged; empty ones are left out.</summary>
    internal static async Task<IReadOnlyList<DataRow>> RespondAsync(LocalModel model, IEnumerable<DataRow> questions, int samplesPerQuestion,
        int maximumNewTokens, IResponseJudge judge, string journal, CancellationToken cancellationToken)
    {
        var responses = ResponseGenerator.GenerateAsync(model, questions.ToAsyncEnumerable(), new()
        {
            SamplesPerQuestion = samplesPerQuestion,
            Generation = new() { Temperature = 0.7, MaximumNewTokens = maximumNewTokens, Seed = DrawSeed },
            Journal = journal,
        }, cancellationToken);
        var rows = new List<DataRow>();
        await foreach (var response in responses)
        {
            if (string.IsNullOrWhiteSpace(response.Row.Response)) continue;
            rows.Add(response.Row with { Judgment = (await judge.JudgeAsync(response.Row, cancellationToken)).Judgment });
        }
        return rows;
    }

    /// <summary>Finds the best rate of a method on the development task; the smaller of equals.</summary>
    private RateChoice Search(Dictionary<RealTask, IReadOnlyList<DataRow>> rows, InformedMethod method, CancellationToken cancellationToken)
    {
        var task = RealTasks.Development;
        var seed = StudyRun.DevelopmentSeeds[0];
        var choice = RateChoice.Of(options.Rates, rate => [Run(rows[task], task, method, rate, seed, cancellationToken).Result]);
        log.WriteLine($"learning rate of {method.Name}: {choice}");
        return choice;
    }

    private (RunResult? Result, bool IsFresh) Run(IReadOnlyList<DataRow> pool, RealTask task, InformedMethod method, double rate, int seed,
        CancellationToken cancellationToken)
    {
        var key = string.Create(CultureInfo.InvariantCulture, $"{task.Name} | {method.Name} | {rate} | {seed}");
        if (_ledger.Find(key) is { } known) return (known, false);
        cancellationToken.ThrowIfCancellationRequested();
        using var model = LocalModel.Load(modelFile, new() { Trainable = TrainableWeights.Lora, Seed = seed }, cancellationToken);
        var rows = RowSelection.First(pool, Rows, seed);
        var judge = new RealJudge(task.Distinct(Tests + Questions, DrawSeed));
        var run = new InformedRun(model, [.. rows.Select(row => row.ToExample())], judge, rate, seed, new PeakMemory(), cancellationToken)
        {
            Steps = Steps, MaximumNewTokens = MaximumNewTokens, Reward = judge,
        };
        if (run.Measure(method) is not { } cost) return (null, true);
        var tests = Test(model, task, Tests, cancellationToken);
        var result = new RunResult(key, tests.Right, Tests, cost.Steps, cost.Seconds, cost.Megabytes, code) { Answers = tests.Answers };
        if (task != RealTasks.Development)
        {
            var others = RealTasks.All.Where(other => other != task).ToList();
            var right = others.Sum(other => Test(model, other, TestsElsewhere, cancellationToken).Right);
            result = result with { Mastered = (double)right / (TestsElsewhere * others.Count) };
        }
        _ledger.Add(result);
        return (result, true);
    }

    private static RealTests Test(LocalModel model, RealTask task, int count, CancellationToken cancellationToken)
    {
        var problems = task.Distinct(count, DrawSeed);
        var answers = model.Answer([.. problems.Select(problem => problem.Question)], new GenerationOptions { MaximumNewTokens = MaximumNewTokens },
            cancellationToken);
        return new(problems.Zip(answers).Count(pair => pair.First.Fault(pair.Second.Text) is null),
            [.. answers.Take(Shown).Select(answer => answer.Text)]);
    }
}

/// <summary>How a model answers the tests of a task.</summary>
/// <param name="Right">The number of right answers.</param>
/// <param name="Answers">The first answers.</param>
internal sealed record RealTests(int Right, IReadOnlyList<string> Answers);

/// <summary>A run with the real model; without a result, there was nothing to train on.</summary>
internal sealed record RealResult(RealTask Task, InformedMethod Method, int Seed, RunResult? Result);
