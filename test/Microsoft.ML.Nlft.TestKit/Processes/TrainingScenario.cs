using System.Diagnostics;
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

/// <summary>A training scenario for every rank; the test writes it as JSON.</summary>
public sealed record TrainingScenario
{
    /// <summary>The base model.</summary>
    public required string Model { get; init; }

    /// <summary>The rows.</summary>
    public required string Rows { get; init; }

    /// <summary>The number of rows to use. Default 10.</summary>
    public int RowCount { get; init; } = 10;

    /// <summary>The training options.</summary>
    public FineTuneOptions Options { get; init; } = new();

    /// <summary>The step after which rank 0 cancels. Default 0: none.</summary>
    public int CancelAt { get; init; }

    /// <summary>The step after which rank 0 kills rank 1. Default 0: none.</summary>
    public int KillAt { get; init; }

    /// <summary>Whether rank 1 uses another learning rate.</summary>
    public bool Disagree { get; init; }

    /// <summary>The delay of rank 1 in every step, in milliseconds.</summary>
    public int Delay { get; init; }

    /// <summary>The folder for the result of every rank: <c>rank-N.json</c> or <c>refused-N.txt</c>.</summary>
    public required string Out { get; init; }

    /// <summary>The folder to save the model in; null: it is not saved.</summary>
    public string? Save { get; init; }
}

/// <summary>The result of a rank.</summary>
public sealed record TrainingOutcome(int Rank, int Size, double[] Losses, string Weights, int Resumed, bool Cancelled, string? Slow,
    string? Checkpoint, int Reports, long BytesGiven, long AdapterBytes);

/// <summary>Runs training scenarios in order.</summary>
public static class RankTraining
{
    public static void Run(string file, IModelEngine engine)
    {
        var ranks = Communicator.Current;
        foreach (var scenario in JsonSerializer.Deserialize<TrainingScenario[]>(File.ReadAllBytes(file))!)
        {
            using var model = LocalModel.Load(scenario.Model, new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 4 },
                Engine = scenario.Delay > 0 && ranks.Rank == 1 ? new SlowEngine(engine, scenario.Delay) : engine });
            var given = ranks.BytesGiven;
            using var source = new CancellationTokenSource();
            var reports = 0;
            var options = scenario.Disagree && ranks.Rank == 1 ? scenario.Options with { LearningRate = 2 * scenario.Options.LearningRate }
                : scenario.Options;
            var listener = new Listener<TrainingProgress>(step =>
            {
                reports++;
                if (step.Step == scenario.CancelAt) source.Cancel();
                if (step.Step == scenario.KillAt) Process.GetProcessById(ranks.Places[1].ProcessId).Kill();
            });
            Directory.CreateDirectory(scenario.Out);
            FineTuneResult result;
            try
            {
                result = model.FineTune([.. DataFile.ReadExamples(scenario.Rows).Take(scenario.RowCount)], new NaturalLanguageObjective(), options,
                    listener, source.Token);
            }
            catch (NlftException e)
            {
                // A file, because the launcher mixes the output of the processes.
                File.WriteAllText(Path.Combine(scenario.Out, $"refused-{ranks.Rank}.txt"), e.Message);
                throw;
            }
            if (scenario.Save is { } folder)
            {
                model.Save(folder);
                using var again = LocalModel.Load(folder);
                CommunicatorChecks.Require(Hash(again.ExportAdapter()) == Hash(model.ExportAdapter()), "the saved adapter differs");
            }
            var adapter = model.ExportAdapter();
            File.WriteAllText(Path.Combine(scenario.Out, $"rank-{ranks.Rank}.json"),
                JsonSerializer.Serialize(new TrainingOutcome(ranks.Rank, ranks.Size, [.. result.Steps.Select(step => step.Loss)], Hash(adapter),
                result.ResumedSteps, result.Cancelled, result.Steps.LastOrDefault()?.SlowProcess, result.LastCheckpoint, reports,
                ranks.BytesGiven - given, adapter.Factors.Sum(factor => sizeof(float) * (long)factor.Values.Length))));
        }
    }

    /// <summary>The fingerprint of an adapter's values.</summary>
    public static string Hash(LoraAdapter adapter)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in adapter.Factors.OrderBy(factor => factor.Name, StringComparer.Ordinal))
            hash.AppendData(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
