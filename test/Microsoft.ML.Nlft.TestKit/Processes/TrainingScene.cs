using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>What one rank is to do in a scene with training; written by the test as JSON.</summary>
public sealed record TrainingScene
{
    /// <summary>The base model.</summary>
    public required string Model { get; init; }

    /// <summary>The rows.</summary>
    public required string Rows { get; init; }

    /// <summary>How many of them.</summary>
    public int RowCount { get; init; } = 10;

    /// <summary>The set-up.</summary>
    public FineTuneOptions Options { get; init; } = new();

    /// <summary>The step after which rank 0 cancels; 0: none.</summary>
    public int CancelAt { get; init; }

    /// <summary>The step after which rank 0 kills rank 1; 0: none.</summary>
    public int KillAt { get; init; }

    /// <summary>Rank 1 trains with another learning rate.</summary>
    public bool Disagree { get; init; }

    /// <summary>Milliseconds that rank 1 sleeps in every step.</summary>
    public int Delay { get; init; }

    /// <summary>A folder for what becomes of every rank: <c>rank-N.json</c> or <c>refused-N.txt</c>.</summary>
    public required string Out { get; init; }

    /// <summary>A folder to save the model in; null: it is not saved.</summary>
    public string? Save { get; init; }
}

/// <summary>What a rank found.</summary>
public sealed record TrainingOutcome(int Rank, int Size, double[] Losses, string Weights, int Resumed, bool Cancelled, string? Slow, string? Checkpoint, int Reports, long BytesGiven, long AdapterBytes);

/// <summary>Plays scenes with training, one after the other.</summary>
public static class RankTraining
{
    public static void Run(string file, IModelEngine engine)
    {
        var ranks = Communicator.Current;
        foreach (var scene in JsonSerializer.Deserialize<TrainingScene[]>(File.ReadAllBytes(file))!)
        {
            using var model = LocalModel.Load(scene.Model, new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 4 }, Engine = scene.Delay > 0 && ranks.Rank == 1 ? new SlowEngine(engine, scene.Delay) : engine });
            var given = ranks.BytesGiven;
            using var source = new CancellationTokenSource();
            var reports = 0;
            var options = scene.Disagree && ranks.Rank == 1 ? scene.Options with { LearningRate = 2 * scene.Options.LearningRate } : scene.Options;
            var listener = new Listener(step =>
            {
                reports++;
                if (step.Step == scene.CancelAt) source.Cancel();
                if (step.Step == scene.KillAt) Process.GetProcessById(ranks.Places[1].ProcessId).Kill();
            });
            Directory.CreateDirectory(scene.Out);
            FineTuneResult result;
            try
            {
                result = model.FineTune([.. JsonLinesReader.Read(scene.Rows).Take(scene.RowCount)], new NaturalLanguageObjective(), options, listener, source.Token);
            }
            catch (NlftException e)
            {
                File.WriteAllText(Path.Combine(scene.Out, $"refused-{ranks.Rank}.txt"), e.Message); // the launcher mixes what several processes say
                throw;
            }
            if (scene.Save is { } folder)
            {
                model.Save(folder);
                using var again = LocalModel.Load(folder);
                Talk.Require(Hash(again.ExportAdapter()) == Hash(model.ExportAdapter()), "the adapter saved is another");
            }
            var adapter = model.ExportAdapter();
            File.WriteAllText(Path.Combine(scene.Out, $"rank-{ranks.Rank}.json"), JsonSerializer.Serialize(new TrainingOutcome(ranks.Rank, ranks.Size, [.. result.Steps.Select(step => step.Loss)], Hash(adapter),
                result.ResumedSteps, result.Cancelled, result.Steps.LastOrDefault()?.SlowProcess, result.LastCheckpoint, reports, ranks.BytesGiven - given, adapter.Factors.Sum(factor => sizeof(float) * (long)factor.Values.Length))));
        }
    }

    private static string Hash(LoraAdapter adapter)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in adapter.Factors.OrderBy(factor => factor.Name, StringComparer.Ordinal)) hash.AppendData(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private sealed class Listener(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
