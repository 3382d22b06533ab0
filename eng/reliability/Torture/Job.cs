using System.Diagnostics;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// The job that is killed: generates answers with the sample model, judges them, trains on them with checkpoints and saves the model; then trains it
/// in rounds on its own responses and saves that too. Run again in the same folder, it resumes.
/// </summary>
internal static class Job
{
    /// <summary>The files of a finished job, which must equal those of the uninterrupted one.</summary>
    public static readonly string[] Results = ["answers.jsonl", "rows.jsonl", "model/adapter_model.safetensors", "model/adapter_config.json",
        "model/README.md", "model/nlft.json", "practised/adapter_model.safetensors", "practised/nlft.json"];

    /// <summary>The results that do not contain the base model's folder.</summary>
    public static readonly string[] Numbers = Results[..3];

    /// <summary>The exit code of a job that refused a file; its message is on the error stream.</summary>
    public const int Refused = 3;

    /// <summary>The phases of the job.</summary>
    public static readonly string[] Phases = ["generating", "judging", "training", "saving", "rounds"];

    private static readonly FineTuneOptions s_options = new() { Epochs = 2, BatchSize = 2, LearningRate = 1e-3, CheckpointSteps = 1 };

    private static readonly OnPolicyOptions s_rounds = new()
    {
        Rounds = 3, StepsPerRound = 2, SamplesPerQuestion = 2, Training = s_options with { Epochs = new FineTuneOptions().Epochs },
        Generation = new() { Temperature = 1, MaximumNewTokens = 16, MaximumBatchSize = 2 },
    };

    /// <summary>
    /// Starts <see cref="Run"/> in its own process, which prints a line when it starts to load and at the beginning of each of the
    /// <see cref="Phases"/>.
    /// </summary>
    public static Process Start(string folder, string modelFolder, string questions, int threads) => Process.Start(new ProcessStartInfo("dotnet")
    {
        ArgumentList = { typeof(Job).Assembly.Location, "job", folder, modelFolder, questions, $"{threads}" },
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    /// <summary>Does the remaining work.</summary>
    /// <param name="folder">The folder of results and checkpoints.</param>
    /// <param name="modelFolder">The base model.</param>
    /// <param name="questions">Rows with questions and answers.</param>
    /// <param name="threads">Threads of the engine; results do not depend on it.</param>
    /// <param name="begins">Called at the beginning of each of the <see cref="Phases"/>.</param>
    public static void Run(string folder, string modelFolder, string questions, int threads, Action<string> begins)
    {
        Directory.CreateDirectory(folder);
        string PathOf(string name) => Path.Combine(folder, name);
        using var model = LocalModel.Load(modelFolder, new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 4 },
            Engine = new Engines.Managed.ManagedEngine(threads) });
        if (!File.Exists(PathOf("answers.jsonl")))
        {
            begins("generating");
            var rows = DataFile.Read(questions).Take(4).ToList();
            var answers = model.Answer([.. rows.Select(row => row.Question)], new() { MaximumNewTokens = 24 });
            DataFile.Write(PathOf("answers.jsonl"),
                rows.Zip(answers, (row, answer) => row with { Response = answer.Text.Length > 0 ? answer.Text : "?" }));
        }
        if (!File.Exists(PathOf("rows.jsonl")))
        {
            begins("judging");
            DataFile.WriteExamples(PathOf("rows.jsonl"), DataFile.ReadExamples(PathOf("answers.jsonl")).Select(row =>
                row with { Judgment = RuleBasedJudge.Judge(row.Response, row.Answer, row.Source) ?? "The result is wrong." }));
        }
        var (weights, optimizer) = (model.Network.Export(ModelState.Weights), model.Network.Export(ModelState.Optimizer));
        var objective = new NaturalLanguageObjective();
        if (!File.Exists(PathOf("model/nlft.json")))
        {
            var examples = DataFile.ReadExamples(PathOf("rows.jsonl"));
            begins("training");
            var options = s_options with { CheckpointFolder = PathOf("checkpoints"), ResumeFrom = PathOf("checkpoints") };
            var run = new TrainingRun(model, examples, objective, options);
            var result = run.Run();
            begins("saving");
            model.Save(PathOf("model"), card: run.Card(result) with { Date = null }); // runs of two days are compared byte by byte
        }
        if (File.Exists(PathOf("practised/nlft.json"))) return;
        begins("rounds");
        model.Network.Import(ModelState.Weights, weights);
        model.Network.Import(ModelState.Optimizer, optimizer);
        new OnPolicyRun(model, [.. DataFile.Read(questions).Take(4)], new RuleBasedJudge(), objective, s_rounds with { Folder = PathOf("rounds") })
            .RunAsync().GetAwaiter().GetResult();
        model.Save(PathOf("practised"));
    }
}
