using System.Diagnostics;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>Trains many steps with checkpoints and checks that live and process memory stay constant.</summary>
internal static class FlatMemory
{
    private const long Tolerance = 4 << 20;

    /// <summary>Trains a number of steps.</summary>
    /// <returns>0 when memory stayed constant, else 1.</returns>
    public static int Run(Place place, int steps)
    {
        using var model = LocalModel.Load(place.Model, new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 4 } });
        var rows = JsonLinesReader.Read(place.PathOf("unbroken/rows.jsonl")).Take(1).ToList();
        var samples = new List<(int Step, long Live, long Process)>();
        var marks = new[] { steps / 10, steps / 2, steps };
        model.FineTune(rows, new NaturalLanguageObjective(),
            new() { Epochs = steps, BatchSize = 1, LearningRate = 1e-5, CheckpointFolder = place.PathOf("flat"), CheckpointSteps = 100 },
            new Listener(progress =>
        {
            if (marks.Contains(progress.Step))
                samples.Add((progress.Step, GC.GetTotalMemory(forceFullCollection: true), Process.GetCurrentProcess().WorkingSet64));
        }));
        foreach (var (step, live, process) in samples)
            Console.WriteLine($"after step {step}: {MemoryEstimate.Text(live)} live, {MemoryEstimate.Text(process)} of the process");
        var flat = samples[^1].Live <= samples[0].Live + Tolerance && samples[^1].Process <= samples[0].Process + 8 * Tolerance;
        Console.WriteLine(flat ? $"{steps} steps with flat memory" : $"{steps} steps: memory grew");
        return flat ? 0 : 1;
    }

    private sealed class Listener(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
