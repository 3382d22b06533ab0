// Goes once through what a program does with a model, and prints results that do not depend on time or place, so that the output of two runs can be
// compared: that of the program compiled to native code with that of the same program under the just-in-time compiler.
// Arguments: the model folder, a file with rows, and an empty folder for what is written.
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

var (modelFolder, rowsFile, output) = (args[0], args[1], args[2]);
var rows = DataFile.ReadExamples(rowsFile).Take(4).ToList();
var questions = rows.Take(2).Select(row => row.Question).ToList();
var generation = new GenerationOptions { MaximumNewTokens = 24 };
var time = new FixedTime();
var saved = Path.Combine(output, "saved");

using (var model = LocalModel.Load(modelFolder, new() { Trainable = TrainableWeights.Lora }))
{
    Show("before training", model.Answer(questions, generation));
    var checkpoints = Path.Combine(output, "checkpoints");
    var options = new FineTuneOptions
    {
        Epochs = 3, BatchSize = 2, LearningRate = 1e-3, RecordedRows = [0], CheckpointFolder = checkpoints, CheckpointSteps = 2,
        Validation = new() { Share = 0.25, GeneratedRows = 1, MaximumNewTokens = 24, KeepBest = false },
    };
    using var live = new LivePage(timeProvider: time);
    var run = new TrainingRun(model, rows, new NaturalLanguageObjective(new()), options, time);
    var result = run.Run(monitor: live);
    foreach (var step in result.Steps)
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {step.Step}: loss {step.Loss:R}, gradient norm {step.GradientNorm:R}"));
    Show("after training", model.Answer(questions, generation));

    model.Save(saved, new() { Generation = generation }, run.Card(result));
    Console.WriteLine(File.ReadAllText(Path.Combine(saved, "README.md")));
    ShowFile(Path.Combine(saved, "adapter_config.json"));
    ShowFile(Path.Combine(saved, "adapter_model.safetensors"));
    run.SaliencyMap(result)!.Save(Path.Combine(output, "map.html"));
    ShowFile(Path.Combine(output, "map.html"));
    model.SaveGguf(Path.Combine(output, "model.gguf"), new() { Name = "tiny" });
    ShowFile(Path.Combine(output, "model.gguf"));

    // A run that resumes from the checkpoint of step 2 ends where the whole one did.
    foreach (var later in Directory.GetFiles(checkpoints).Order(StringComparer.Ordinal).Skip(1)) File.Delete(later);
    var resumed = new TrainingRun(model, rows, new NaturalLanguageObjective(new()), options with { ResumeFrom = checkpoints }, time).Run();
    Console.WriteLine($"resumed: the same losses: {resumed.Steps.Select(step => step.Loss).SequenceEqual(result.Steps.Select(step => step.Loss))}");
}

using (var model = LocalModel.Load(saved))
{
    Show("loaded again", model.Answer(questions, generation));
    var journal = new ResponseOptions { Generation = generation with { MaximumNewTokens = 8 }, Journal = Path.Combine(output, "responses.partial") };
    await foreach (var response in ResponseGenerator.GenerateAsync(model, DataFile.ReadAsync(rowsFile).Take(2), journal))
        Console.WriteLine($"response: {response.Row.Response}");
    ShowFile(journal.Journal);
    using var client = model.AsChatClient();
    var answer = await client.GetResponseAsync(questions[0], new ChatOptions { MaxOutputTokens = 8 });
    Console.WriteLine($"chat: {answer.Text} ({answer.FinishReason}, {answer.Usage?.OutputTokenCount} tokens)");
}

void Show(string when, IReadOnlyList<GeneratedText> answers)
{
    foreach (var answer in answers) Console.WriteLine($"{when}: {answer.Text} [{string.Join(' ', answer.Tokens)}]");
}

void ShowFile(string path) =>
    Console.WriteLine($"{Path.GetFileName(path)}: {Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))}");

/// <summary>A clock that always shows the same time, which cards and pages carry.</summary>
internal sealed class FixedTime : TimeProvider
{
    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => new(2025, 1, 2, 3, 4, 5, TimeSpan.Zero);

    /// <inheritdoc/>
    public override long GetTimestamp() => 0;
}
