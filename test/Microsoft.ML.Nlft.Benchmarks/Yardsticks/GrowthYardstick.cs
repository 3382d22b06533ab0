using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>How time and memory grow with the number of rows, and how fast a step is and what it allocates after a thousand others.</summary>
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
            table.Add($"{rows.Length} rows of one length, one epoch", $"{seconds:0.000} s", $"{factor} x 4 rows {factor * one:0.000} s", ratio,
                "at most 1.15", ratio <= 1.15);
        }

        var oneBatch = double.NaN;
        foreach (var factor in (int[])[1, 2, 4, 8])
        {
            var bytes = FirstStepBytes(folder, threads, 4 * factor);
            if (factor == 1) oneBatch = bytes;
            var ratio = bytes / (factor * oneBatch);
            table.Add($"{4 * factor} rows of one length in one step, memory", $"{bytes / (1 << 20):0.0} MiB",
                $"{factor} x 4 rows {factor * oneBatch / (1 << 20):0.0} MiB", ratio, "at most 1.15", ratio <= 1.15);
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
        table.Add("step 900-1000 over step 100-200", $"{final * 1e3:0.0} ms", $"{first * 1e3:0.0} ms", final / first,
            "at most 1.05", final / first <= 1.05);
        var decoded = DecodedBytes(model);
        table.Add("managed bytes allocated per decoded token", string.Create(CultureInfo.InvariantCulture, $"{decoded:0.0} bytes"), "", decoded,
            "0", decoded == 0);
        var perToken = allocated / 1000.0 / (4 * (Prompt + Response + 2 * (Prompt + Extra + Response)));
        table.Add("managed bytes allocated per token of a step, scores and objective included",
            string.Create(CultureInfo.InvariantCulture, $"{perToken:0} bytes"), "", perToken, "at most 64", perToken <= 64);
        table.Save();
    }

    /// <summary>Returns the bytes that the first training pass of a model allocates; the engine reuses them in later passes.</summary>
    private static double FirstStepBytes(ModelFolder folder, int threads, int rows)
    {
        using var model = new ManagedEngine(threads).Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora });
        TokenSequence[] batch =
            [.. Enumerable.Range(0, rows).Select(row => new TokenSequence(Enumerable.Range(row, Prompt + Response).ToArray(), Prompt))];
        var before = GC.GetTotalAllocatedBytes(precise: true);
        using var pass = model.Forward(batch);
        pass.Backward([.. batch.Select(_ => (ReadOnlyMemory<float>)new float[Response])]);
        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }

    /// <summary>Returns the bytes that the engine allocates per decoded token once the code is compiled and the cache has its pages.</summary>
    private static double DecodedBytes(ICausalLanguageModel model)
    {
        const int Warm = 400, Tokens = 40; // from 465 to 505 tokens with the prompt, within one page of the cache
        using var session = model.StartDecoding([Enumerable.Range(0, 65).ToArray(), Enumerable.Range(5, 65).ToArray()], Warm + Tokens);
        int[] next = [3, 4];
        for (var i = 0; i < Warm; i++) session.Append(next);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        for (var i = 0; i < Tokens; i++) session.Append(next);
        return (GC.GetTotalAllocatedBytes(precise: true) - before) / (2.0 * Tokens);
    }

    private const int Prompt = 40, Extra = 20, Response = 40;

    private static EncodedExample[] Rows(int count)
    {
        var random = new Random(1);
        int[] Tokens(int n) => [.. Enumerable.Range(0, n).Select(_ => random.Next(Shape.Tiny.Vocabulary))];
        return [.. Enumerable.Range(0, count).Select(i => new EncodedExample(
            Polarity.Incorrect, Tokens(Response), Tokens(Prompt), Tokens(Prompt + Extra), Tokens(Prompt + Extra), $"row {i}"))];
    }

    private static void Train(ICausalLanguageModel model, EncodedExample[] rows, int epochs, Action? tick = null) =>
        new FineTuner(model, new NaturalLanguageObjective(), new FineTuneOptions { Epochs = epochs, BatchSize = 4 }).Run(rows, new Clock(tick));

    private sealed class Clock(Action? tick) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => tick?.Invoke();
    }
}
