using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Answers some held-out questions with the current weights and compares the answers with the gold answers.</summary>
internal sealed class ValidationAnswers
{
    private readonly TextGenerator _generator;
    private readonly GenerationOptions _generation;
    private readonly AnswerComparison _comparison;
    private readonly TrainingExample[] _rows;
    private readonly int[][] _prompts;

    /// <param name="model">The model that answers.</param>
    /// <param name="rows">Held-out rows, one per question; as many as the options say are drawn from them.</param>
    /// <param name="options">The training options.</param>
    /// <exception cref="NlftException">A gold answer cannot be compared.</exception>
    public ValidationAnswers(ITrainableModel model, IReadOnlyList<TrainingExample> rows, FineTuneOptions options)
    {
        var (validation, byQuestion) = (options.Validation, rows.ToDictionary(row => row.Question, StringComparer.Ordinal));
        _generator = new TextGenerator(model.Network, model.Tokenizer, model.Prompts.StopIds);
        _generation = new GenerationOptions { MaximumNewTokens = validation.MaximumNewTokens };
        _comparison = validation.Comparison;
        _rows = [.. RowOrder.Draw(byQuestion.Keys, options.Seed).Take(validation.GeneratedRows).Select(question => byQuestion[question])];
        _prompts = Array.ConvertAll(_rows,
            row => model.Prompts.EncodeQuestion(row.Question, row.Instruction, validation.MaximumNewTokens));
        foreach (var row in _rows) Compare(row, response: null);
    }

    /// <summary>Everything that the answers depend on besides the weights, for the run's identity.</summary>
    public IEnumerable<(int[] Prompt, string Expected)> Questions => _prompts.Zip(_rows, (prompt, row) => (prompt, Compare(row, null).Expected));

    /// <summary>Answers the questions; the processes share them in batches that do not depend on their number.</summary>
    public IReadOnlyList<ValidationAnswer> Answer(TrainingTeam team, CancellationToken cancellationToken)
    {
        var batches = Enumerable.Range(0, _rows.Length).Chunk(_generation.MaximumBatchSize).ToArray();
        var shares = WindowShares.Distribute([.. Enumerable.Range(0, batches.Length)], batch => batches[batch].Sum(row => (long)_prompts[row].Length),
            team.Size);
        var mine = team.RunOnAll(token => shares[team.Rank].SelectMany(batch =>
            _generator.Generate(Array.ConvertAll(batches[batch], row => _prompts[row]), _generation, token)).Select(answer => answer.Text).ToArray(),
            cancellationToken);
        var texts = new string[_rows.Length];
        foreach (var (share, bytes) in shares.Zip(team.Exchange(JsonSerializer.SerializeToUtf8Bytes(mine, TrainingJson.Default.StringArray))))
        {
            var answers = JsonSerializer.Deserialize(bytes, TrainingJson.Default.StringArray)!;
            foreach (var (row, answer) in share.SelectMany(batch => batches[batch]).Zip(answers)) texts[row] = answer;
        }
        return [.. _rows.Zip(texts, (row, text) =>
        {
            var compared = Compare(row, text);
            return new ValidationAnswer(row.Question, compared.Expected, text, compared.Outcome);
        })];
    }

    private EvaluatedRow Compare(TrainingExample row, string? response) =>
        ExactMatchEvaluator.Compare(response, row.Answer, _comparison, row.Source);
}
