using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.TinyModel.Pretraining;

/// <summary>Creates the model folder from scratch: tokenizer, random weights, full-parameter training, weights saved in bfloat16.</summary>
public sealed class Pretrainer
{
    private readonly PretrainingRecipe _recipe;
    private readonly TextWriter _log;

    /// <summary>Creates a pretrainer.</summary>
    public Pretrainer(PretrainingRecipe recipe, TextWriter log) => (_recipe, _log) = (recipe, log);

    /// <summary>Writes the whole folder.</summary>
    /// <returns>The report of the run, which is also written into the folder.</returns>
    public PretrainingReport Run(string folder)
    {
        var clock = Stopwatch.StartNew();
        Directory.CreateDirectory(folder);
        WriteTokenizer(folder);
        ModelInitializer.Create(folder, _recipe.Configuration, _recipe.Seed);
        using var model = LocalModel.Load(folder, new() { Trainable = TrainableWeights.All });
        var rows = TrainingMix.Rows(_recipe).Select(row => Encode(model.Prompts, row)).ToArray();
        var tokens = rows.Sum(row => (long)row.Sequence(PromptContexts.Base).Tokens.Length);
        Log($"{rows.Length} rows, {tokens} tokens ({(double)tokens / rows.Length:0.0} a row), encoded in {clock.Elapsed.TotalSeconds:0} s");

        var run = new TrainingRun(model.Network, rows, new LikelihoodObjective(), new FineTuneOptions
        {
            Epochs = 1, BatchSize = _recipe.BatchSize, LearningRate = _recipe.LearningRate, WarmupRatio = _recipe.WarmupRatio,
            Optimizer = _recipe.Optimizer, Shuffle = false, Seed = _recipe.Seed,
        });
        var result = run.Run(new StepLog(_log, every: 50));
        ModelFolderWriter.Write(folder, _recipe.Configuration, model.Network.Export(ModelState.Weights), TensorType.BF16);
        var parameters = model.Network.Export(ModelState.Weights).Sum(weight => (long)weight.Values.Length);
        var loss = result.Steps.TakeLast(50).Average(step => step.Loss);
        var minutes = Math.Round(clock.Elapsed.TotalMinutes, 1);
        var report = new PretrainingReport(_recipe.Steps, parameters, rows.Length, tokens, Math.Round(loss, 4), minutes, Environment.ProcessorCount);
        report.Save(folder);
        return report;
    }

    /// <summary>Encodes a row with its only context as the base context, which the likelihood objective trains.</summary>
    private static EncodedExample Encode(PromptEncoder prompts, MixedRow row)
    {
        var encoded = prompts.Encode(row.Example);
        return new EncodedExample(Polarity.Correct, encoded.Response.ToArray(), encoded.Prompt(row.Context).ToArray(), [], [], row.Example.Source);
    }

    private void WriteTokenizer(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), PretrainingRecipe.ChatTemplate + "\n");
        var generation = new { eos_token_id = 256, pad_token_id = 256, max_new_tokens = 200 };
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), JsonSerializer.Serialize(generation) + "\n");

        // A tokenizer of single bytes renders the prompts exactly as training and use do; their texts train the final tokenizer.
        Train(folder, 256 + PretrainingRecipe.SpecialTokens.Count, []);
        var bytes = HuggingFaceTokenizer.Load(folder);
        var prompts = new PromptEncoder(bytes, ChatTemplate.Load(folder), new PromptOptions(), [256]);
        var mix = new TrainingMix(_recipe.Seed + 100, _recipe.Shares);
        var texts = Enumerable.Range(0, _recipe.TokenizerRows).Select(_ => Encode(prompts, mix.Next()))
            .Select(row => bytes.Decode(row.Sequence(PromptContexts.Base).Tokens.Span, skipSpecialTokens: true)).ToList();
        Log($"tokenizer with {Train(folder, _recipe.VocabularySize, texts)} tokens");
    }

    private int Train(string folder, int vocabularySize, IReadOnlyList<string> texts)
    {
        var trainer = new BpeTrainer(vocabularySize, PretrainingRecipe.SpecialTokens);
        trainer.Train(texts);
        trainer.Save(folder, null, PretrainingRecipe.EndOfText, PretrainingRecipe.EndOfText, _recipe.MaximumPositions);
        return trainer.Tokens.Count;
    }

    private void Log(FormattableString line) => _log.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}

/// <summary>Logs a line after every given number of steps.</summary>
internal sealed class StepLog(TextWriter log, int every) : IProgress<TrainingProgress>
{
    private double _loss;

    public void Report(TrainingProgress value)
    {
        _loss += value.Loss;
        if (value.Step % every != 0 && value.Step != value.TotalSteps) return;
        var steps = value.Step % every == 0 ? every : value.Step % every;
        log.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"step {value.Step,5} of {value.TotalSteps}  loss {_loss / steps:0.0000}  token accuracy {value.TokenAccuracy:0.000}")
            + string.Create(CultureInfo.InvariantCulture,
            $"  {value.TokensPerSecond,6:0} tokens/s  {value.Elapsed:hh\\:mm\\:ss} gone, {value.Remaining:hh\\:mm\\:ss} left"));
        _loss = 0;
    }
}
