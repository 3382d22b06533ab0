using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Gpu;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>The time of a sum.</summary>
internal sealed record SumFigure(double Bytes, double Seconds);

/// <summary>The median time of a step, with its rows, the bytes it sums and its floating-point operations.</summary>
internal sealed record StepFigure(double Seconds, int Rows, double Bytes, double Operations);

/// <summary>Measures as one process of an MPI job.</summary>
internal static class Rank
{
    /// <summary>Mean numbers of tokens of a row.</summary>
    public const int MeanPrompt = 80, MeanExtra = 60, MeanResponse = 70;

    private const int WarmUps = 1;

    /// <summary>Times all-reduce sums and prints the median of each length.</summary>
    /// <param name="times">How often each sum is timed; short ones twice as often.</param>
    /// <param name="lengths">Lengths of the arrays in bytes.</param>
    public static void Sum(int times, IReadOnlyList<int> lengths)
    {
        var ranks = Communicator.Current;
        foreach (var bytes in lengths)
        {
            var values = new float[bytes / sizeof(float)];
            var seconds = new List<double>();
            var together = bytes <= SumCost.EagerLimit ? 8 : 2; // processes leave the barrier up to a latency apart: several sums share that error
            for (var i = 0; i < WarmUps + (bytes <= SumCost.EagerLimit ? 2 * times : times); i++)
            {
                ranks.Barrier();
                var start = Stopwatch.GetTimestamp();
                for (var j = 0; j < together; j++) ranks.AllReduceSum(values);
                var all = ranks.AllGather(BitConverter.GetBytes(Stopwatch.GetElapsedTime(start).TotalSeconds))
                    .Select(one => BitConverter.ToDouble(one));
                if (i >= WarmUps) seconds.Add(all.Max() / together); // a sum is done when the last process has it
            }
            Tell(ranks, new SumFigure(values.Length * sizeof(float), Median(seconds)));
        }
    }

    /// <summary>Times optimizer steps on rows of random tokens and prints the median.</summary>
    /// <param name="shape">The name of the model's shape.</param>
    /// <param name="modelFolder">The folder with a model folder of each shape.</param>
    /// <param name="rows">Rows of a window.</param>
    /// <param name="steps">Steps to time, after the first one.</param>
    public static void Train(string shape, string modelFolder, int rows, int steps)
    {
        var ranks = Communicator.Current;
        var work = RowsOf(shape, modelFolder, rows);
        using var folder = ModelFolder.Open(Path.Combine(work[0].Folder, work[0].Shape));
        var lora = new LoraConfiguration { Dropout = 0 };
        using var model = new ManagedEngine(threads: 1).Load(
            new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora, Lora = lora });
        var random = new Random(1);
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(work[0].Model.VocabularySize))];
        EncodedExample[] examples = [.. work.Select((row, i) => new EncodedExample(
            Polarity.Incorrect, Tokens(row.Response), Tokens(row.Prompt), Tokens(row.Prompt + row.Extra), Tokens(row.Prompt + row.Extra),
            $"row {i + 1}"))];
        var ends = new List<double>();
        var clock = Stopwatch.StartNew();
        var options = new FineTuneOptions { Epochs = steps + 1, BatchSize = rows, MicroBatchSize = 1 };
        new FineTuner(model, new NaturalLanguageObjective(), options) { Ranks = ranks }.Run(examples,
            new Clock(() => ends.Add(clock.Elapsed.TotalSeconds)));
        if (!ranks.IsFirst) return;
        var bytes = model.Export(ModelState.Weights).Sum(tensor => (double)tensor.Values.Length * sizeof(float));
        Tell(ranks, new StepFigure(Median([.. ends.Zip(ends.Skip(1), (before, after) => after - before)]), rows, bytes,
            work.Sum(row => row.Operations(""))));
    }

    /// <summary>Creates rows with lengths from 0.5 to 1.5 times the mean, the default of <see cref="StepWork.Spread"/>.</summary>
    public static IReadOnlyList<Workload> RowsOf(string shape, string folder, int rows) => [.. Enumerable.Range(0, rows).Select(row =>
    {
        var length = 0.5 + (row + 0.5) / rows;
        return new Workload
        {
            Shape = shape, Folder = folder, Rows = 1,
            Prompt = (int)(MeanPrompt * length), Extra = (int)(MeanExtra * length), Response = (int)(MeanResponse * length),
        };
    })];

    private static void Tell<T>(Communicator ranks, T figure)
    {
        if (ranks.IsFirst) Console.WriteLine(Shell.Mark + JsonSerializer.Serialize(figure));
    }

    private static double Median(IReadOnlyList<double> values) => values.Order().ElementAt(values.Count / 2);

    private sealed class Clock(Action tick) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => tick();
    }
}
