using System.Diagnostics;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.TorchSharp;
using Microsoft.ML.Nlft.Training;
using TorchSharp;

namespace Microsoft.ML.Nlft.Gpu;

/// <summary>The figures of one mode.</summary>
/// <param name="SecondsPerStep">The median time of the steps after the first two.</param>
/// <param name="ProductRate">Floating-point operations per second of a large matrix product in the type of the mode; null if not measured.</param>
/// <param name="PeakBytes">Peak memory: of the device on a GPU, resident on a CPU.</param>
/// <param name="Phases">The phases of a step; null for a baseline.</param>
internal sealed record Measurement(double SecondsPerStep, double? ProductRate, long PeakBytes, IReadOnlyList<Phase>? Phases = null)
{
    public const string Prefix = "MEASURED ";
    private const int WarmUp = 2, Phased = 3; // steps before and after those of the median

    /// <summary>Trains a few steps with the published settings, dropout included, and measures each of them.</summary>
    public static Measurement Take(Workload work)
    {
        var mode = work.Only!;
        if (mode.StartsWith("managed", StringComparison.Ordinal))
        {
            var (seconds, parts) = Train(work, new ManagedEngine(new ManagedEngineOptions { Threads = work.Threads }), () => { });
            using var process = Process.GetCurrentProcess();
            return new Measurement(seconds, null, process.PeakWorkingSet64, parts);
        }
        var engine = new TorchSharpEngine(new()
        {
            Device = work.Device,
            RecomputeActivations = mode == "recompute",
            Int8Weights = mode == "int8",
            Int4Weights = mode == "int4",
            Threads = work.Threads,
        });
        var type = engine.ComputeType == TensorType.BF16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;
        var device = torch.device(engine.Device);
        var (median, phases) = Train(work, engine, () => Synchronize(device));
        var peak = engine.MeasureMemory().PeakBytes;
        return new Measurement(median, MeasureProducts(device, type), peak, phases);
    }

    /// <summary>Returns the median time of a step, and the phases of further steps.</summary>
    private static (double Seconds, IReadOnlyList<Phase> Phases) Train(Workload work, IModelEngine engine, Action synchronize)
    {
        using var folder = ModelFolder.Open(Path.Combine(work.Folder, work.Shape));
        using var loaded = engine.Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.Lora });
        using var model = new PhasedModel(loaded, synchronize, after: WarmUp + work.Steps);
        var random = new Random(2);
        EncodedExample[] rows = [.. Enumerable.Range(0, work.Rows * (WarmUp + work.Steps + Phased)).Select(i => new EncodedExample(
            Polarity.Incorrect, Tokens(work.Response), Tokens(work.Prompt), Tokens(work.Prompt + work.Extra), Tokens(work.Prompt + work.Extra),
            $"row {i}"))];
        ITokenObjective objective = Workload.IsSupervised(work.Only!) ? new LikelihoodObjective() : new NaturalLanguageObjective();
        var options = new FineTuneOptions { Epochs = 1, BatchSize = work.Rows, Shuffle = false };
        var steps = new TrainingRun(model, rows, objective, options).Run().Steps;
        var pairs = steps.Zip(steps.Skip(1)).Skip(WarmUp - 1).Take(work.Steps);
        return (Median(pairs.Select(pair => (pair.Second.Elapsed - pair.First.Elapsed).TotalSeconds)), model.Phases);

        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(work.Model.VocabularySize))];
    }

    /// <summary>The middle of the sorted values, the upper one of two.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static void Synchronize(torch.Device device)
    {
        if (device.type == DeviceType.CUDA) torch.cuda.synchronize(device);
    }

    private static double MeasureProducts(torch.Device device, torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        var size = device.type == DeviceType.CPU ? 1024 : 8192;
        var (a, b) = (torch.rand(size, size, type, device), torch.rand(size, size, type, device));
        var best = double.PositiveInfinity;
        for (var i = 0; i < 8; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var c = a.mm(b);
            using var one = c[0, 0].cpu(); // waits for the device
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 2.0 * size * size * size / best;
    }
}
