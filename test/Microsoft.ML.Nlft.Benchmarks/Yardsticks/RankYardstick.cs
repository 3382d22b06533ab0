using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>
/// Two processes of one thread compared with one process of one thread, on batches of eight rows of different lengths (responses of 80 to 160
/// tokens). Open MPI runs over TCP on the loopback device, so that the kernel counts the bytes.
/// </summary>
internal static class RankYardstick
{
    private const int Prompt = 160, Extra = 120, Rows = 8, Warm = 1, Steps = 2;

    /// <summary>The figures of one job.</summary>
    /// <param name="Seconds">Mean time of a step.</param>
    /// <param name="Waited">Time of a step in sums and other collective calls, mean over the processes.</param>
    /// <param name="Given">Bytes that a process passes to these calls in a step.</param>
    /// <param name="Travelled">Bytes on the loopback device in a step, headers included.</param>
    /// <param name="Adapter">Bytes of the gradients of the adapter.</param>
    internal sealed record Figure(double Seconds, double Waited, double Given, double Travelled, long Adapter);

    public static void Run(int threads, string artifacts)
    {
        var shape = Shape.SmolLm2;
        shape.Folder(artifacts, TensorType.F32);
        if (Job(1) is not { } one || Job(2) is not { } two)
        {
            MeasurementTable.Skip("the ranks", "openmpi-bin");
            return;
        }
        var table = new MeasurementTable("Several processes", artifacts);
        double speedup = one.Seconds / two.Seconds, waiting = two.Waited / two.Seconds, given = two.Given / two.Adapter;
        table.Add($"{shape.Name}: 2 processes of one thread", Seconds(two.Seconds), $"1 process of one thread {Seconds(one.Seconds)}", speedup,
            "1.85", speedup >= 1.85);
        table.Add($"{shape.Name}: waiting in sums, most of it for the slower process", Seconds(two.Waited), $"a step {Seconds(two.Seconds)}", waiting,
            "at most 0.08", waiting <= 0.08);
        table.Add($"{shape.Name}: bytes a process passes to sums in a step", Megabytes(two.Given), $"the adapter {Megabytes(two.Adapter)}", given,
            "1.00 to 1.01", given is >= 1 and <= 1.01);
        var travelled = two.Travelled / (2 * two.Adapter); // in a sum over N processes, each sends 2 (N - 1) / N times its length: once for N = 2
        table.Add($"{shape.Name}: bytes on the network in a step", Megabytes(two.Travelled), $"twice the adapter {Megabytes(2 * two.Adapter)}",
            travelled, "1.00 to 1.05", travelled is >= 1 and <= 1.05);
        table.Save();

        Figure? Job(int size)
        {
            string[] arguments =
            [
                "--bind-to", "none", "--oversubscribe", "--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo",
                "-n", $"{size}", Environment.ProcessPath!, "--rank-steps", shape.Name, artifacts,
            ];
            var start = new ProcessStartInfo("mpirun.openmpi", arguments)
            {
                RedirectStandardOutput = true,
                Environment = { ["OMPI_ALLOW_RUN_AS_ROOT"] = "1", ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1" },
            };
            try
            {
                using var process = Process.Start(start)!;
                var output = process.StandardOutput.ReadToEnd();
                process.WaitForExit();
                var json = output[output.IndexOf('{')..(output.LastIndexOf('}') + 1)]; // a launcher may print characters of its own around it
                return JsonSerializer.Deserialize<Figure>(json);
            }
            catch (System.ComponentModel.Win32Exception) // the launcher is not installed
            {
                return null;
            }
        }
    }

    /// <summary>Runs in each process of the job: trains; the first one prints the figures.</summary>
    public static void RunChild(string shapeName, string artifacts)
    {
        var ranks = Communicator.Current;
        using var folder = ModelFolder.Open(Shape.Named(shapeName).Folder(artifacts, TensorType.F32));
        var lora = new LoraConfiguration { Dropout = 0 };
        using var model = new ManagedEngine(1).Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora, Lora = lora });
        var random = new Random(1);
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(folder.Configuration.VocabularySize))];
        EncodedExample[] rows = [.. Enumerable.Range(0, Rows).Select(row => new EncodedExample(Polarity.Incorrect,
            Tokens(80 + 80 * row / (Rows - 1)), Tokens(Prompt), Tokens(Prompt + Extra), Tokens(Prompt + Extra), $"row {row}"))];
        // Row by row, so that both jobs compute the same micro-batches.
        var options = new FineTuneOptions { Epochs = Warm + Steps, BatchSize = Rows, MicroBatchSize = 1 };
        var tuner = new FineTuner(model, new NaturalLanguageObjective(), options) { Ranks = ranks };
        (long Time, TimeSpan Waited, long Given, long Travelled) before = default, after = default;
        tuner.Run(rows, ranks.IsFirst ? new Clock(step =>
        {
            var now = (Stopwatch.GetTimestamp(), ranks.Waited, ranks.BytesGiven, Loopback());
            if (step == Warm) before = now;
            else after = now;
        }) : null);
        var all = ranks.AllGather(BitConverter.GetBytes(ranks.Waited.TotalSeconds)).Select(bytes => BitConverter.ToDouble(bytes)).ToArray();
        if (!ranks.IsFirst) return;
        Console.WriteLine(JsonSerializer.Serialize(new Figure(
            Stopwatch.GetElapsedTime(before.Time, after.Time).TotalSeconds / Steps,
            all.Average() / (Warm + Steps),
            (double)(after.Given - before.Given) / Steps,
            (double)(after.Travelled - before.Travelled) / Steps,
            model.Export(ModelState.Weights).Sum(tensor => sizeof(float) * (long)tensor.Values.Length))));
    }

    /// <summary>Bytes that the loopback device has received.</summary>
    private static long Loopback()
    {
        var line = File.ReadLines("/proc/net/dev").Single(line => line.TrimStart().StartsWith("lo:", StringComparison.Ordinal));
        return long.Parse(line.Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture);
    }

    private static string Seconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.000} s");

    private static string Megabytes(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.00} MB");

    private sealed class Clock(Action<int> tick) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => tick(value.Step);
    }
}
