using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Study.Real;

/// <summary>
/// GSM8K, for the record: how many of its test questions the real model answers, before and after training on a few of its training rows.
/// </summary>
/// <param name="modelFile">The model.</param>
/// <param name="data">The folder with GSM8K's train.jsonl and test.jsonl.</param>
/// <param name="ledger">The finished runs.</param>
/// <param name="code">The commit and date of the code.</param>
/// <param name="log">Receives a line per run.</param>
internal sealed partial class Gsm8kRecord(string modelFile, string data, RunLedger ledger, string code, TextWriter log)
{
    /// <summary>Rows to train on, one response to each of so many questions, and the optimizer steps.</summary>
    public const int Rows = 100, Steps = 50;

    /// <summary>The longest answer in tokens.</summary>
    public const int MaximumNewTokens = 200;

    /// <summary>The methods: the likelihood of the solutions, and NLFT beside it.</summary>
    public static IReadOnlyList<InformedMethod> Methods { get; } =
        [.. RealStudy.Methods.Where(method => method.Name is "SFT, solutions" or "NLFT and solutions")];

    /// <summary>Runs what the ledger lacks.</summary>
    /// <param name="rates">The learning rate of each method.</param>
    /// <param name="journal">The journal of the model's responses to the training questions.</param>
    /// <param name="cancellationToken">Cancels a run.</param>
    /// <returns>The results with what was done before the test; empty when the files are not there.</returns>
    public async Task<IReadOnlyList<(string After, RunResult Result)>> RunAsync(Func<InformedMethod, double> rates, string journal,
        CancellationToken cancellationToken)
    {
        if (!File.Exists(PathOf("train")) || !File.Exists(PathOf("test")))
        {
            log.WriteLine($"GSM8K is left out: there is no {PathOf("train")} or no {PathOf("test")}.");
            return [];
        }
        var results = new List<(string, RunResult)> { ("nothing", Known("before training") ?? await TestAsync(null, 0)) };
        foreach (var method in Methods) results.Add((method.Name, Known(method.Name) ?? await TestAsync(method, rates(method))));
        return results;

        async Task<RunResult> TestAsync(InformedMethod? method, double rate)
        {
            using var model = LocalModel.Load(modelFile, new() { Trainable = TrainableWeights.Lora, Seed = 1 }, cancellationToken);
            var cost = method is null ? default
                : Train(model, method, rate, await RealStudy.RespondAsync(model, Read("train").Take(Rows), samplesPerQuestion: 1, MaximumNewTokens,
                    new RuleBasedJudge(), journal, cancellationToken), cancellationToken);
            var problems = Read("test").ToList();
            var answers = model.Answer([.. problems.Select(problem => problem.Question)],
                new GenerationOptions { MaximumNewTokens = MaximumNewTokens, MaximumBatchSize = 32 }, cancellationToken);
            var right = problems.Zip(answers).Count(pair => RuleBasedJudge.Judge(pair.Second.Text, pair.First.Answer!, pair.First.Source) is null);
            var result = new RunResult(Key(method?.Name ?? "before training"), right, problems.Count, cost.Steps, cost.Seconds, cost.Megabytes, code);
            ledger.Add(result);
            log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result.Key}: {right} of {problems.Count} right"));
            return result;
        }
    }

    private static (int Steps, double Seconds, double Megabytes) Train(LocalModel model, InformedMethod method, double rate,
        IReadOnlyList<DataRow> rows, CancellationToken cancellationToken) =>
        new InformedRun(model, [.. rows.Select(row => row.ToExample())], new RuleBasedJudge(), rate, 1, new PeakMemory(), cancellationToken)
        {
            Steps = Steps, MaximumNewTokens = MaximumNewTokens,
        }.Measure(method)!.Value;

    /// <summary>The rows of a file, the solutions without their annotations for a calculator.</summary>
    private IEnumerable<DataRow> Read(string part) =>
        DataFile.Read(PathOf(part), RowFormat.Gsm8k).Select(row => row with { Answer = Annotation().Replace(row.Answer!, "") });

    private string PathOf(string part) => Path.Combine(data, part + ".jsonl");

    private RunResult? Known(string what) => ledger.Find(Key(what));

    private static string Key(string what) => $"GSM8K | {what}";

    [GeneratedRegex("<<[^<>]*>>")]
    private static partial Regex Annotation();
}
