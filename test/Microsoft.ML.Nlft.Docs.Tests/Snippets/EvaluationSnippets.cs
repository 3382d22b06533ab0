using Microsoft.Extensions.AI;
using Microsoft.Extensions.AI.Evaluation;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;
using EvaluationResult = Microsoft.Extensions.AI.Evaluation.EvaluationResult;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/evaluation.md shows.</summary>
[TestClass]
public sealed class EvaluationSnippets : Workplace
{
    #region evaluator
    /// <summary>The gold answer of a question.</summary>
    public sealed class GoldAnswer(string text) : EvaluationContext("Gold answer", text)
    {
        public string Text { get; } = text;
    }

    /// <summary>Compares the final number of a response with that of the gold answer.</summary>
    public sealed class ExactMatch : IEvaluator
    {
        public const string Metric = "Exact match";

        public IReadOnlyCollection<string> EvaluationMetricNames => [Metric];

        public ValueTask<EvaluationResult> EvaluateAsync(IEnumerable<ChatMessage> messages, ChatResponse modelResponse,
            ChatConfiguration? chatConfiguration = null, IEnumerable<EvaluationContext>? additionalContext = null,
            CancellationToken cancellationToken = default)
        {
            var gold = additionalContext!.OfType<GoldAnswer>().Single();
            EvaluatedRow row = ExactMatchEvaluator.Compare(modelResponse.Text, gold.Text);
            var correct = row.Outcome == AnswerOutcome.Correct;
            var metric = new BooleanMetric(Metric, correct, $"expected {row.Expected}, found {row.Found ?? "no number"}")
            {
                Interpretation = new(correct ? EvaluationRating.Good : EvaluationRating.Unacceptable, failed: !correct),
            };
            metric.AddOrUpdateContext(gold);
            return new(new EvaluationResult(metric));
        }
    }
    #endregion

    [TestMethod]
    public async Task EvaluationPage_ExactMatchAsIEvaluator_CountsAsTheLibraryDoes()
    {
        #region use
        using IChatClient client = NlftModel.LoadChatClient("model");
        IEvaluator evaluator = new CompositeEvaluator(new ExactMatch());      // and any others
        IReadOnlyList<DataRow> rows = DataFile.Read("test.jsonl");            // Question, Answer
        var metrics = new List<BooleanMetric>();
        foreach (DataRow row in rows)
        {
            List<ChatMessage> messages = [new(ChatRole.User, row.Question)];
            ChatResponse response = await client.GetResponseAsync(messages);
            EvaluationResult result = await evaluator.EvaluateAsync(messages, response, additionalContext: [new GoldAnswer(row.Answer!)]);
            metrics.Add(result.Get<BooleanMetric>(ExactMatch.Metric));
            Console.WriteLine($"{metrics[^1].Value}: {metrics[^1].Reason}");
        }
        Console.WriteLine($"{metrics.Count(metric => metric.Value == true)} of {rows.Count} right");
        #endregion
        var responses = new List<string?>();
        foreach (var row in rows) responses.Add((await client.GetResponseAsync(row.Question)).Text);
        var expected = ExactMatchEvaluator.Evaluate(responses, [.. rows.Select(row => row.Answer!)]);
        Assert.AreEqual(expected.Correct, metrics.Count(metric => metric.Value == true));
        Assert.AreEqual(expected.Total - expected.Correct, metrics.Count(metric => metric.Interpretation!.Failed));

        var rightAnswer = new ChatResponse(new ChatMessage(ChatRole.Assistant, rows[0].Answer));
        var right = await evaluator.EvaluateAsync([], rightAnswer, additionalContext: [new GoldAnswer(rows[0].Answer!)]);
        Assert.IsTrue(right.Get<BooleanMetric>(ExactMatch.Metric).Value);
        Assert.AreEqual("Gold answer", right.Get<BooleanMetric>(ExactMatch.Metric).Context!.Keys.Single());
    }
}
