using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;

namespace Microsoft.ML.Nlft.Ranks;

/// <summary>
/// Trains in rounds on all ranks. Arguments: the model's folder, the folder of the rounds, the output (one file per rank: <c>output.rank</c>), and
/// the number of reports after which rank 0 is killed, or 0.
/// </summary>
internal static class Rounds
{
    public static async Task RunAsync(Communicator ranks, IReadOnlyList<string> arguments)
    {
        using var model = LocalModel.Load(arguments[0], new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 4 },
            Engine = new ManagedEngine(threads: 1) });
        DataRow[] questions = [.. Enumerable.Range(2, 4).Select(i => new DataRow { Question = $"How much is {i} + {i}?", Answer = $"{2 * i}" })];
        var reports = 0;
        var killedAt = int.Parse(arguments[3], CultureInfo.InvariantCulture);
        var run = new OnPolicyRun(model, questions, new RuleBasedJudge(), new NaturalLanguageObjective(), new()
        {
            Rounds = 2,
            StepsPerRound = 2,
            SamplesPerQuestion = 2,
            Generation = new() { Temperature = 1, MaximumNewTokens = 12, MaximumBatchSize = 2 },
            Training = new() { BatchSize = 4, LearningRate = 1e-3, CheckpointSteps = 1 },
            Folder = arguments[1],
        });
        var result = await run.RunAsync(new Listener<OnPolicyProgress>(_ =>
        {
            if (++reports == killedAt) Process.GetCurrentProcess().Kill();
        }));
        File.WriteAllLines($"{arguments[2]}.{ranks.Rank}",
            [.. result.Rounds.Select(round => $"{round}"), RankTraining.Hash(model.ExportAdapter())]);
        CommunicatorChecks.Require(ranks.IsFirst || reports == 0, "progress was reported on a rank other than 0");
    }
}
