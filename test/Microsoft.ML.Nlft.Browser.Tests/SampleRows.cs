using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>Real rows: the 25 wrong responses of the samples and ten correct ones of the sample model.</summary>
internal static class SampleRows
{
    private static readonly string s_samples = Path.Combine(Fixtures.RepositoryRoot(), "samples");

    public static LocalModel Load(bool trainable = false) => LocalModel.Load(Path.Combine(s_samples, "models", "tiny-word-problems"),
        new() { Trainable = trainable ? TrainableWeights.Lora : TrainableWeights.None });

    public static IReadOnlyList<TrainingExample> Read(LocalModel model)
    {
        var wrong = JsonLinesReader.Read(Path.Combine(s_samples, "data", "rows.jsonl"));
        var questions = JsonLinesReader.ReadRows(Path.Combine(s_samples, "data", "test-others.jsonl")).Take(16).ToList();
        var answers = model.Answer([.. questions.Select(row => row.Question)], new() { MaximumNewTokens = 96 });
        var right = questions.Zip(answers).Where(pair => ExactMatchEvaluator.Compare(pair.Second.Text, pair.First.Answer!, AnswerComparison.Number,
            "row").Outcome == AnswerOutcome.Correct)
            .Select((pair, i) => new TrainingExample { Question = pair.First.Question, Response = pair.Second.Text, Answer = pair.First.Answer!,
                Source = $"answer {i + 1}" });
        return [.. wrong.Select((row, i) => row with { Source = $"rows.jsonl, line {i + 1}" }), .. right.Take(10)];
    }

    /// <summary>Returns the objective's input for a row: the scores of the engine with hidden states.</summary>
    public static ExampleScores Score(LocalModel model, TrainingExample row)
    {
        var encoded = model.Prompts.Encode(row);
        PromptContexts[] contexts = row.Polarity == Polarity.Correct ? [PromptContexts.Base, PromptContexts.Standard]
            : [PromptContexts.Base, PromptContexts.Standard, PromptContexts.Judge];
        var scored = model.Network.Score([.. contexts.Select(encoded.Sequence)], hiddenStates: true, default);
        double[] Logs(int context) => context < contexts.Length ? [.. scored[context].LogProbabilities.Select(value => (double)value)] : [];
        return new ExampleScores { Polarity = row.Polarity, Base = Logs(0), Standard = Logs(1), Judge = Logs(2),
            HiddenStates = scored[0].HiddenStates };
    }
}
