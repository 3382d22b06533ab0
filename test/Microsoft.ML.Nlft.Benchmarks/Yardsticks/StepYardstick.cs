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
/// One training step on one row (prompt of 160 tokens, judge and standard prompts 120 longer, response of 140 tokens), compared with the same step in
/// PyTorch. Each figure comes from its own process, so that its peak memory is not that of another.
/// </summary>
internal static class StepYardstick
{
    private const int Prompt = 160, Extra = 120, Response = 140, Steps = 7;
    private const double FloorTarget = 1.15;

    /// <summary>The median time of a step and the peak resident memory of its process.</summary>
    /// <param name="Seconds">The time.</param>
    /// <param name="PeakMib">The memory.</param>
    /// <param name="TileFlops">
    /// Median of the operations that full tiles could have done in the time of a step, at their rate just before and after it: another guest of the
    /// machine slows both.
    /// </param>
    internal sealed record Figure(double Seconds, double PeakMib, double TileFlops = 0);

    /// <summary>Measures the steps of the usual shapes, or of those that <paramref name="names"/> contains.</summary>
    /// <param name="threads">Threads of both libraries.</param>
    /// <param name="artifacts">The folder of models and results.</param>
    /// <param name="names">Arguments of the program, among them names of shapes.</param>
    public static void Run(int threads, string artifacts, string[] names)
    {
        Shape[] usual = [Shape.Small, Shape.SmolLm2, Shape.Qwen25];
        var named = Array.FindAll([.. usual, Shape.Gemma3, Shape.Qwen3], shape => names.Contains(shape.Name));
        var shapes = named.Length > 0 ? named : usual;
        var table = new MeasurementTable("Steps of training", artifacts);
        foreach (var shape in shapes.Where(shape => shape != Shape.Qwen25)) Measure(table, shape, threads, artifacts);
        if (shapes.Contains(Shape.Qwen25))
        {
            var int8 = Ours(Shape.Qwen25, TensorType.I8, "wrong", threads, artifacts);
            table.Add($"{Shape.Qwen25.Name}: peak memory, int8 weights", Memory(int8), Seconds(int8) + " a step", int8.PeakMib,
                "below 1536 MiB", int8.PeakMib < 1536);
        }
        table.Save();
    }

    private static void Measure(MeasurementTable table, Shape shape, int threads, string artifacts)
    {
        Figure Step(string kind, TensorType type = TensorType.F32) => Ours(shape, type, kind, threads, artifacts);
        Figure wrong = Step("wrong"), right = Step("right"), sft = Step("sft"), cached = Step("cached"), narrow = Step("wrong", TensorType.BF16);
        if (PyTorch(shape, "lean", threads, artifacts) is { } lean && PyTorch(shape, "published", threads, artifacts) is { } published)
        {
            AddSpeed("NLFT step", $"PyTorch lean {Seconds(lean)}", lean.Seconds / wrong.Seconds, 2.2);
            AddSpeed("NLFT step", $"PyTorch published {Seconds(published)}", published.Seconds / wrong.Seconds, 4);
            var saving = published.PeakMib / narrow.PeakMib;
            table.Add($"{shape.Name}: peak memory, bfloat16 weights", Memory(narrow), $"PyTorch published {Memory(published)}", saving,
                "8", saving >= 8);
        }
        else
        {
            MeasurementTable.Skip("PyTorch", "python3-torch libopenblas0-pthread");
        }
        var flops = shape.WrongStepFlops(Prompt, Extra, Response);
        var (rate, floor) = (wrong.TileFlops / wrong.Seconds, wrong.Seconds * flops / wrong.TileFlops);
        AddLimit($"NLFT step against its floor, {flops / 1e9:0} GFLOP at the kernel's {rate / 1e9:0} GFLOP/s", wrong,
            string.Create(CultureInfo.InvariantCulture, $"floor {floor:0.000} s"), floor, FloorTarget);
        AddLimit("NLFT on a wrong row over SFT", wrong, $"our SFT step {Seconds(sft)}", sft.Seconds, 2.5);
        AddLimit("NLFT on a right row over SFT", right, $"our SFT step {Seconds(sft)}", sft.Seconds, 1.8);
        AddLimit("NLFT with cached contexts over SFT", cached, $"our SFT step {Seconds(sft)}", sft.Seconds, 1.15);

        void AddSpeed(string what, string baseline, double ratio, double target) =>
            table.Add($"{shape.Name}: {what}", Seconds(wrong), baseline, ratio, target.ToString(CultureInfo.InvariantCulture), ratio >= target);

        void AddLimit(string what, Figure figure, string baseline, double seconds, double limit) =>
            table.Add($"{shape.Name}: {what}", Seconds(figure), baseline, figure.Seconds / seconds,
                string.Create(CultureInfo.InvariantCulture, $"at most {limit}"), figure.Seconds / seconds <= limit);
    }

    private static Figure Ours(Shape shape, TensorType type, string kind, int threads, string artifacts)
    {
        shape.Folder(artifacts, Stored(type));
        string[] arguments = ["--step", shape.Name, type.ToString(), kind, threads.ToString(CultureInfo.InvariantCulture), artifacts];
        return Read(new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true });
    }

    /// <summary>Runs in the child process: trains and prints the figure.</summary>
    public static void RunChild(string shapeName, TensorType type, string kind, int threads, string artifacts)
    {
        var shape = Shape.Named(shapeName);
        using var folder = ModelFolder.Open(shape.Folder(artifacts, Stored(type)));
        var engine = new ManagedEngine(new ManagedEngineOptions { Threads = threads, Int8Weights = type == TensorType.I8 });
        var lora = new LoraConfiguration { Dropout = 0 };
        using var model = engine.Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora, Lora = lora });
        var random = new Random(1);
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(shape.Vocabulary))];
        var polarity = kind == "right" ? Polarity.Correct : Polarity.Incorrect;
        var row = new EncodedExample(polarity, Tokens(Response), Tokens(Prompt), Tokens(Prompt + Extra), Tokens(Prompt + Extra), "row");
        ITokenObjective objective = kind == "sft" ? new LikelihoodObjective() : new NaturalLanguageObjective();
        var (steps, works) = (new List<double>(), new List<double>());
        var warm = shape.Layers <= Shape.Small.Layers ? 20 : 4;
        var workers = new Workers(threads);
        var (last, rate) = (Stopwatch.GetTimestamp(), 0.0);
        var refresh = kind == "cached" ? ContextRefresh.Once : ContextRefresh.EveryStep;
        var options = new FineTuneOptions { Epochs = warm + Steps, BatchSize = 1, Refresh = refresh };
        new TrainingRun(model, [row], objective, options).Run(new StepClock(() =>
        {
            steps.Add(Stopwatch.GetElapsedTime(last).TotalSeconds);
            var before = rate;
            rate = TileRate(workers, steps[^1] / 4);
            works.Add(steps[^1] * (before + rate) / 2);
            last = Stopwatch.GetTimestamp();
        }));
        Console.WriteLine(JsonSerializer.Serialize(new { seconds = Median(steps), peak_mib = PeakMib(), tile_flops = Median(works) }));

        double Median(List<double> values) => values.Skip(warm).Order().ElementAt(Steps / 2); // after the JIT compiler's work
    }

    /// <summary>The operations per second of full tiles, over about <paramref name="seconds"/>.</summary>
    private static double TileRate(Workers workers, double seconds)
    {
        var (start, operations) = (Stopwatch.GetTimestamp(), 0.0);
        do operations += ProductYardstick.RunTiles(workers);
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
        return operations / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>The type in the file; int8 weights are quantized from bfloat16 while they load.</summary>
    private static TensorType Stored(TensorType type) => type == TensorType.I8 ? TensorType.BF16 : type;

    /// <summary>
    /// Runs the script of the shared test data, or for a shape that it does not know pytorch_step.py beside this program, without dropout.
    /// </summary>
    private static Figure? PyTorch(Shape shape, string variant, int threads, string artifacts)
    {
        var isOwn = shape.ModelType != "llama";
        var script = isOwn ? Path.Combine(AppContext.BaseDirectory, "pytorch_step.py")
            : Path.Combine(Machine.SharedData, "peers", "torch_nlft_step.py");
        if (!File.Exists(script) || !File.Exists("/usr/bin/python3")) return null;
        string[] arguments = isOwn
            ? [script, Path.Combine(shape.Folder(artifacts, TensorType.F32), "config.json"), "cpu", variant, "1", $"{Prompt}", $"{Extra}",
                $"{Response}", "3", "0"]
            : [script, "--shape", shape.Name, "--variant", variant, "--threads", $"{threads}"];
        var start = new ProcessStartInfo("/usr/bin/python3", arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
            Environment = { ["OMP_NUM_THREADS"] = $"{threads}", ["OMP_WAIT_POLICY"] = "passive" }, // spinning threads cost PyTorch a factor of two
        };
        if (OpenBlas.CoreToSet is { } core) start.Environment[OpenBlas.CoreVariable] = core;
        try
        {
            return Read(start);
        }
        catch (JsonException) // PyTorch is not installed
        {
            return null;
        }
    }

    private static Figure Read(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        using var json = JsonDocument.Parse(output.Trim().Split('\n')[^1].Replace("MEASURED ", "", StringComparison.Ordinal));
        return json.RootElement.TryGetProperty("SecondsPerStep", out var seconds)
            ? new Figure(seconds.GetDouble(), json.RootElement.GetProperty("PeakBytes").GetDouble() / (1 << 20))
            : new Figure(json.RootElement.GetProperty("seconds").GetDouble(), json.RootElement.GetProperty("peak_mib").GetDouble(),
                json.RootElement.TryGetProperty("tile_flops", out var work) ? work.GetDouble() : 0);
    }

    private static double PeakMib() => Process.GetCurrentProcess().PeakWorkingSet64 / (double)(1 << 20);

    private static string Seconds(Figure figure) => string.Create(CultureInfo.InvariantCulture, $"{figure.Seconds:0.000} s");

    private static string Memory(Figure figure) => string.Create(CultureInfo.InvariantCulture, $"{figure.PeakMib:0} MiB");

    private sealed class StepClock(Action tick) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => tick();
    }
}
