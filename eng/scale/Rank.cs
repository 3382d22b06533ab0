using System.Diagnostics;
using System.Globalization;
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

/// <summary>A sum as a process measured it.</summary>
internal sealed record SumFigure(double Bytes, double Seconds);

/// <summary>Steps as a process measured them: the median, and what they are made of.</summary>
internal sealed record StepFigure(double Seconds, int Rows, double Bytes, double Operations);

/// <summary>What one of the processes does that mpirun starts.</summary>
internal static class Rank
{
    /// <summary>Tokens of a row in the mean.</summary>
    public const int MeanPrompt = 80, MeanExtra = 60, MeanResponse = 70;

    private const int WarmUps = 1;

    /// <summary>Times sums: <c>rank sum TIMES BYTES ...</c>.</summary>
    public static void Sum(IReadOnlyList<string> arguments)
    {
        var ranks = Communicator.Current;
        var times = int.Parse(arguments[0], CultureInfo.InvariantCulture);
        foreach (var bytes in arguments.Skip(1).Select(text => int.Parse(text, CultureInfo.InvariantCulture)))
        {
            var values = new float[bytes / sizeof(float)];
            var seconds = new List<double>();
            var together = bytes <= SumCost.Unasked ? 8 : 2; // a process may leave the barrier a latency before another: shared among several sums
            for (var i = 0; i < WarmUps + (bytes <= SumCost.Unasked ? 2 * times : times); i++)
            {
                ranks.Barrier();
                var start = Stopwatch.GetTimestamp();
                for (var j = 0; j < together; j++) ranks.AllReduceSum(values);
                var all = ranks.AllGather(BitConverter.GetBytes(Stopwatch.GetElapsedTime(start).TotalSeconds)).Select(one => BitConverter.ToDouble(one));
                if (i >= WarmUps) seconds.Add(all.Max() / together); // it is done when the last process has it
            }
            Tell(ranks, new SumFigure(values.Length * sizeof(float), Median(seconds)));
        }
    }

    /// <summary>Times optimizer steps on rows of random tokens: <c>rank train SHAPE FOLDER ROWS STEPS</c>.</summary>
    public static void Train(IReadOnlyList<string> arguments)
    {
        var ranks = Communicator.Current;
        var (rows, steps) = (int.Parse(arguments[2], CultureInfo.InvariantCulture), int.Parse(arguments[3], CultureInfo.InvariantCulture));
        var work = RowsOf(arguments[0], arguments[1], rows);
        using var folder = ModelFolder.Open(Path.Combine(work[0].Folder, work[0].Shape));
        using var model = new ManagedEngine(threads: 1).Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora, Lora = new LoraConfiguration { Dropout = 0 } });
        var random = new Random(1);
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(work[0].Model.VocabularySize))];
        EncodedExample[] examples = [.. work.Select((row, i) => new EncodedExample(
            Polarity.Incorrect, Tokens(row.Response), Tokens(row.Prompt), Tokens(row.Prompt + row.Extra), Tokens(row.Prompt + row.Extra), $"row {i + 1}"))];
        var ends = new List<double>();
        var clock = Stopwatch.StartNew();
        var options = new FineTuneOptions { Epochs = steps + 1, BatchSize = rows, MicroBatchSize = 1 };
        new TrainingRun(model, examples, new NaturalLanguageObjective(), options, communicator: ranks).Run(new Clock(() => ends.Add(clock.Elapsed.TotalSeconds)));
        if (!ranks.IsFirst) return;
        var bytes = model.Export(ModelState.Weights).Sum(tensor => (double)tensor.Values.Length * sizeof(float));
        Tell(ranks, new StepFigure(Median([.. ends.Zip(ends.Skip(1), (before, after) => after - before)]), rows, bytes, work.Sum(row => row.Operations(""))));
    }

    /// <summary>Rows from half to one and a half of the mean length, as <see cref="StepWork.Spread"/> has them.</summary>
    public static IReadOnlyList<Workload> RowsOf(string shape, string folder, int rows) => [.. Enumerable.Range(0, rows).Select(row =>
    {
        var length = 0.5 + (row + 0.5) / rows;
        return new Workload { Shape = shape, Folder = folder, Rows = 1, Prompt = (int)(MeanPrompt * length), Extra = (int)(MeanExtra * length), Response = (int)(MeanResponse * length) };
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
