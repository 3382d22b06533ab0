using System.Globalization;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Gsm8k;

/// <summary>Trains one epoch of NLFT on 16 real rows.</summary>
public static class Gsm8kRun
{
    private const int RowsOfEachKind = 8, MaximumTokens = 512;

    /// <summary>Trains and reports.</summary>
    /// <param name="solutionsPath">GSM8K's example_model_solutions.jsonl.</param>
    /// <param name="modelFolder">The base model.</param>
    /// <param name="log">Receives a line per step.</param>
    /// <returns>The steps, and the mean -log p of a token of the right responses before and after.</returns>
    public static (FineTuneResult Training, double LossBefore, double LossAfter) OneEpoch(string solutionsPath, string modelFolder, TextWriter log)
    {
        using var model = LocalModel.Load(modelFolder, new()
        {
            Trainable = TrainableWeights.Lora, Prompts = new() { MaximumTokens = MaximumTokens },
        });
        var rows = ChooseRows(Gsm8kReader.ToTrainingExamples(Gsm8kReader.ReadSolutions(solutionsPath)), model);
        var examples = rows.Select(model.Prompts.Encode).ToArray();
        var cut = examples.Count(row => row.Sequence(PromptContexts.Standard).Tokens.Length == MaximumTokens);
        var right = examples.Where(row => row.Polarity == Polarity.Correct).ToArray();
        log.WriteLine($"{rows.Count} rows, {right.Length} of them right; in {cut} the prompt with the gold answer was cut to {MaximumTokens} tokens");
        log.WriteLine($"first judgment: {rows.First(row => row.Polarity == Polarity.Incorrect).Judgment}");

        var before = MeanLoss(model.Network, right);
        var tuner = new FineTuner(model.Network, new NaturalLanguageObjective(new()), new() { Epochs = 1, BatchSize = 2, LearningRate = 1e-3 });
        var training = tuner.Run(examples, new StepLines(log));
        var after = MeanLoss(model.Network, right);
        log.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"mean loss per token of the right responses: {before:0.0000} before, {after:0.0000} after"));
        return (training, before, after);
    }

    /// <summary>Selects the first rows of each kind whose response leaves at least half of the length limit to the prompt, in file order.</summary>
    private static List<TrainingExample> ChooseRows(IReadOnlyList<TrainingExample> rows, LocalModel model)
    {
        var fitting = rows.Where(row => model.Tokenizer.Encode(row.Response, addSpecialTokens: false).Length <= MaximumTokens / 2).ToList();
        return [.. Enum.GetValues<Polarity>().SelectMany(kind => fitting.Where(row => row.Polarity == kind).Take(RowsOfEachKind))];
    }

    private static double MeanLoss(ICausalLanguageModel network, EncodedExample[] rows) =>
        network.Score([.. rows.Select(row => row.Sequence(PromptContexts.Base))]).Average(scores => -scores.LogProbabilities.Average());

    private sealed class StepLines(TextWriter log) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => log.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"step {value.Step} of {value.TotalSteps}: loss {value.Loss:0.0000}, salient {100 * value.SalientShare:0.0} %"));
    }
}
