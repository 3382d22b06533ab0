using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>How time grows with rows, and what a step allocates and costs after a thousand others.</summary>
internal static class GrowthYardstick
{
    public static void Run(int threads, string artifacts)
    {
        var table = new MeasurementTable("Growth and steadiness", artifacts);
        using var folder = ModelFolder.Open(Shape.Tiny.Folder(artifacts, TensorType.F32));
        using var model = new ManagedEngine(threads).Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora });
        Train(model, Rows(4), epochs: 40);
        var one = double.NaN;
        foreach (var factor in (int[])[1, 2, 4, 8])
        {
            var rows = Rows(4 * factor);
            var seconds = MeasurementTable.Best(3, () => Train(model, rows, epochs: 1));
            if (factor == 1) one = seconds;
            var ratio = seconds / (factor * one);
            table.Add($"{rows.Length} rows of one length, one epoch", $"{seconds:0.000} s", $"{factor} x 4 rows {factor * one:0.000} s", ratio, "at most 1.15", ratio <= 1.15);
        }

        var steps = new List<double>(1000);
        var last = Stopwatch.GetTimestamp();
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        Train(model, Rows(4), epochs: 1000, () =>
        {
            steps.Add(Stopwatch.GetElapsedTime(last).TotalSeconds);
            last = Stopwatch.GetTimestamp();
        });
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        double Median(IEnumerable<double> values) => values.Order().ElementAt(50);
        double first = Median(steps.Skip(100).Take(100)), final = Median(steps.TakeLast(100));
        table.Add("step 900-1000 over step 100-200", $"{final * 1e3:0.0} ms", $"{first * 1e3:0.0} ms", final / first, "at most 1.05", final / first <= 1.05);
        var perToken = allocated / 1000.0 / (4 * (Prompt + Response + 2 * (Prompt + Extra + Response)));
        table.Add("managed bytes allocated per token of a step", string.Create(CultureInfo.InvariantCulture, $"{perToken:0} bytes"), "", perToken, "at most 64", perToken <= 64);
        table.Save();
    }

    private const int Prompt = 40, Extra = 20, Response = 40;

    private static EncodedExample[] Rows(int count)
    {
        var random = new Random(1);
        int[] Tokens(int n) => [.. Enumerable.Range(0, n).Select(_ => random.Next(Shape.Tiny.Vocabulary))];
        return [.. Enumerable.Range(0, count).Select(i => new EncodedExample(Polarity.Incorrect, Tokens(Response), Tokens(Prompt), Tokens(Prompt + Extra), Tokens(Prompt + Extra), $"row {i}"))];
    }

    private static void Train(ICausalLanguageModel model, EncodedExample[] rows, int epochs, Action? tick = null) =>
        new FineTuner(model, new NaturalLanguageObjective(), new FineTuneOptions { Epochs = epochs, BatchSize = 4 }).Run(rows, new Clock(tick));

    private sealed class Clock(Action? tick) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => tick?.Invoke();
    }
}
