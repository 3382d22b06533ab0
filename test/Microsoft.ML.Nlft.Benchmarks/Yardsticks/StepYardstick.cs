using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>
/// One training step on one row (prompt 160, judge and standard prompts 120 longer, response 140 tokens), beside PyTorch doing the same
/// work. Each figure comes from a process of its own, so that its peak memory is its own.
/// </summary>
internal static class StepYardstick
{
    private const int Prompt = 160, Extra = 120, Response = 140, Steps = 5;

    /// <summary>Median seconds of a step, and the peak resident memory of its process.</summary>
    internal sealed record Figure(double Seconds, double PeakMib);

    /// <param name="threads">Threads of both sides.</param>
    /// <param name="artifacts">Where models and results are kept.</param>
    /// <param name="names">May name shapes; the others are left out then.</param>
    public static void Run(int threads, string artifacts, string[] names)
    {
        Shape[] all = [Shape.Small, Shape.SmolLm2, Shape.Qwen25], named = Array.FindAll(all, shape => names.Contains(shape.Name)), wanted = named.Length > 0 ? named : all;
        var table = new MeasurementTable("Steps of training", artifacts);
        var ceiling = ProductYardstick.Ceiling(new Workers(threads));
        foreach (var shape in wanted.Where(shape => shape != Shape.Qwen25))
        {
            Figure wrong = Ours(shape, TensorType.F32, "wrong", threads), right = Ours(shape, TensorType.F32, "right", threads);
            Figure sft = Ours(shape, TensorType.F32, "sft", threads), cached = Ours(shape, TensorType.F32, "cached", threads);
            Figure small = Ours(shape, TensorType.BF16, "wrong", threads);
            if (PyTorch(shape, "lean", threads) is { } lean && PyTorch(shape, "published", threads) is { } published)
            {
                table.Add($"{shape.Name}: NLFT step", Seconds(wrong), $"PyTorch lean {Seconds(lean)}", lean.Seconds / wrong.Seconds, "2.2", lean.Seconds / wrong.Seconds >= 2.2);
                table.Add($"{shape.Name}: NLFT step", Seconds(wrong), $"PyTorch published {Seconds(published)}", published.Seconds / wrong.Seconds, "4", published.Seconds / wrong.Seconds >= 4);
                table.Add($"{shape.Name}: peak memory, bfloat16 weights", Memory(small), $"PyTorch published {Memory(published)}", published.PeakMib / small.PeakMib, "8", published.PeakMib / small.PeakMib >= 8);
            }
            else MeasurementTable.Skip("PyTorch", "python3-torch libopenblas0-pthread");
            var floor = shape.WrongStepFlops(Prompt, Extra, Response) / ceiling;
            table.Add($"{shape.Name}: NLFT step against its floor, {shape.WrongStepFlops(Prompt, Extra, Response) / 1e9:0} GFLOP at the kernel's {ceiling / 1e9:0} GFLOP/s", Seconds(wrong),
                string.Create(CultureInfo.InvariantCulture, $"floor {floor:0.000} s"), wrong.Seconds / floor, "at most 1.25", wrong.Seconds / floor <= 1.25);
            table.Add($"{shape.Name}: NLFT on a wrong row over SFT", Seconds(wrong), $"our SFT step {Seconds(sft)}", wrong.Seconds / sft.Seconds, "at most 2.5", wrong.Seconds / sft.Seconds <= 2.5);
            table.Add($"{shape.Name}: NLFT on a right row over SFT", Seconds(right), $"our SFT step {Seconds(sft)}", right.Seconds / sft.Seconds, "at most 1.8", right.Seconds / sft.Seconds <= 1.8);
            table.Add($"{shape.Name}: NLFT with cached contexts over SFT", Seconds(cached), $"our SFT step {Seconds(sft)}", cached.Seconds / sft.Seconds, "at most 1.15", cached.Seconds / sft.Seconds <= 1.15);
        }
        if (wanted.Contains(Shape.Qwen25))
        {
            var half = Ours(Shape.Qwen25, TensorType.I8, "wrong", threads);
            table.Add($"{Shape.Qwen25.Name}: peak memory, int8 weights", Memory(half), Seconds(half) + " a step", half.PeakMib, "below 1536 MiB", half.PeakMib < 1536);
        }
        table.Save();

        Figure Ours(Shape shape, TensorType type, string kind, int threadCount)
        {
            shape.Folder(artifacts, Stored(type));
            var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
            foreach (var argument in (string[])["--step", shape.Name, type.ToString(), kind, threadCount.ToString(CultureInfo.InvariantCulture), artifacts]) start.ArgumentList.Add(argument);
            return Read(start);
        }
    }

    /// <summary>The work of the child process: trains and prints the figure.</summary>
    public static void RunChild(string shapeName, TensorType type, string kind, int threads, string artifacts)
    {
        var shape = Shape.Named(shapeName);
        using var folder = ModelFolder.Open(shape.Folder(artifacts, Stored(type)));
        var engine = new ManagedEngine(new ManagedEngineOptions { Threads = threads, Int8Weights = type == TensorType.I8 });
        using var model = engine.Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora, Lora = new LoraConfiguration { Dropout = 0 } });
        var random = new Random(1);
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(shape.Vocabulary))];
        var row = new EncodedExample(kind == "right" ? Polarity.Correct : Polarity.Incorrect, Tokens(Response), Tokens(Prompt), Tokens(Prompt + Extra), Tokens(Prompt + Extra), "row");
        ITokenObjective objective = kind == "sft" ? new LikelihoodObjective() : new NaturalLanguageObjective();
        var steps = new List<double>();
        var warm = shape.Layers <= Shape.Small.Layers ? 20 : 4;
        var last = Stopwatch.GetTimestamp();
        var options = new FineTuneOptions { Epochs = warm + Steps, BatchSize = 1, Refresh = kind == "cached" ? ContextRefresh.Once : ContextRefresh.EveryStep };
        new TrainingRun(model, [row], objective, options).Run(new StepClock(() =>
        {
            steps.Add(Stopwatch.GetElapsedTime(last).TotalSeconds);
            last = Stopwatch.GetTimestamp();
        }));
        var measured = steps.Skip(warm).Order().ToArray(); // those before were compiled, and compiled again, meanwhile
        Console.WriteLine(JsonSerializer.Serialize(new { seconds = measured[measured.Length / 2], peak_mib = PeakMib() }));
    }

    /// <summary>The type of the file; int8 is made of bfloat16 as it is loaded.</summary>
    private static TensorType Stored(TensorType type) => type == TensorType.I8 ? TensorType.BF16 : type;

    private static Figure? PyTorch(Shape shape, string variant, int threads)
    {
        var script = Path.Combine(Environment.GetEnvironmentVariable("NLFT_FIXTURES") ?? Path.Combine("..", "shared"), "peers", "torch_nlft_step.py");
        if (!File.Exists(script) || !File.Exists("/usr/bin/python3")) return null;
        var start = new ProcessStartInfo("/usr/bin/python3") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[script, "--shape", shape.Name, "--variant", variant, "--threads", threads.ToString(CultureInfo.InvariantCulture)]) start.ArgumentList.Add(argument);
        try
        {
            return Read(start);
        }
        catch (JsonException) // no torch
        {
            return null;
        }
    }

    private static Figure Read(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        using var json = JsonDocument.Parse(output.Trim().Split('\n')[^1]);
        return new Figure(json.RootElement.GetProperty("seconds").GetDouble(), json.RootElement.GetProperty("peak_mib").GetDouble());
    }

    private static double PeakMib() => Process.GetCurrentProcess().PeakWorkingSet64 / (double)(1 << 20);

    private static string Seconds(Figure figure) => string.Create(CultureInfo.InvariantCulture, $"{figure.Seconds:0.000} s");

    private static string Memory(Figure figure) => string.Create(CultureInfo.InvariantCulture, $"{figure.PeakMib:0} MiB");

    private sealed class StepClock(Action tick) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => tick();
    }
}
