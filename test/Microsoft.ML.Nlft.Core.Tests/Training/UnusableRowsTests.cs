using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Rows that show nothing to train on: refused together, or left out and counted.</summary>
[TestClass]
public sealed class UnusableRowsTests : IDisposable
{
    private static readonly TrainingExample[] s_rows =
    [
        Row(1, "4"), Row(2, " "), Row(3, new string('7', 90)), Row(4, "5"), Row(5, "") with { Judgment = "Nothing is there." }, Row(6, "6"),
        Row(7, new string('8', 70)),
    ];

    private readonly ByteModelFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void Constructor_UnusableRows_AreRefusedTogether()
    {
        using var model = Load();
        Assert.StartsWith("the rows: found 2 of 7 with an empty response (row 2; row 5) and 2 of 7 that do not fit into MaximumTokens "
            + "(row 3: 91 tokens; row 7: 71 tokens); ", Refusal(s_rows, null));
        Assert.StartsWith("the validation rows: found 1 of 1 with an empty response (row 2); ", Refusal(s_rows[..1], s_rows[1..2]));
        Assert.StartsWith("training rows: found none; ", Refusal(s_rows[1..3], null, skip: true));

        string Refusal(TrainingExample[] rows, TrainingExample[]? validation, bool skip = false) => Assert.ThrowsExactly<NlftException>(() =>
            new TrainingRun(model, rows, new NaturalLanguageObjective(), new() { SkipUnusableRows = skip }, validation: validation)).Message;
    }

    [TestMethod]
    public void Constructor_HeldOutRowThatContradictsItsAnswer_IsRefusedUnlessAllowed()
    {
        using var model = Load();
        TrainingExample[] held = [Row(8, "#### 4") with { Answer = "5" }];
        void Create(bool allow) =>
            _ = new TrainingRun(model, s_rows[..1], new NaturalLanguageObjective(), new() { AllowContradictions = allow }, validation: held);

        Assert.StartsWith("the validation rows: found 1 of 1 without a judgment whose final answer is not the gold one (row 8: 4, not 5); ",
            Assert.ThrowsExactly<NlftException>(() => Create(allow: false)).Message);
        Create(allow: true);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Run_UnusableRowsSkipped_TrainsOnTheOthersAsWithoutThem(bool heldOut)
    {
        var options = new FineTuneOptions { Epochs = 2, BatchSize = 2, SkipUnusableRows = true, RecordedRows = [0, 1, 3] };
        TrainingExample[]? validation = heldOut ? [Row(8, "9"), Row(9, ""), Row(10, new string('9', 80))] : null;
        var (all, card, run) = Run(s_rows, options, validation);
        var (few, expectedCard, _) = Run([s_rows[0], s_rows[3], s_rows[5]], options with { RecordedRows = [0, 1] }, validation?[..1]);

        CollectionAssert.AreEqual(few.Steps.Select(step => step.Loss).ToArray(), all.Steps.Select(step => step.Loss).ToArray());
        CollectionAssert.AreEqual(few.Validation.Select(report => report.Loss).ToArray(), all.Validation.Select(report => report.Loss).ToArray());
        CollectionAssert.AreEqual(new[] { "row 1", "row 4" }, run.SaliencyMap(all)!.Rows.Select(row => row.Example.Source).ToArray());
        Assert.AreEqual((3, expectedCard), (run.Description.Rows, card));
        Assert.AreEqual("2 2", $"{run.Data!.EmptyResponses.Count} {run.Data.TooLong.Count}");
    }

    [TestMethod]
    public void Constructor_ConversationsThatTheLimitLeavesNothingOf_AreRefusedTogether()
    {
        using var model = Load();
        TrainingExample[] chats = [.. Enumerable.Range(1, 3).Select(i => new TrainingExample
        {
            Question = "q", Response = "r", Answer = "r", Source = $"chat {i}",
            Chat = new() { Messages = [Message("user", new string('7', 40 * i)), Message("assistant", "8")] },
        })];

        Assert.StartsWith("the rows: found 2 of 3 that do not fit into MaximumTokens (chat 2: no token that counts among the first 64; chat 3: ",
            Assert.ThrowsExactly<NlftException>(() => new TrainingRun(model, chats, new LikelihoodObjective())).Message);

        static Dictionary<string, object?> Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
    }

    private (FineTuneResult Result, int CardRows, TrainingRun Run) Run(
        TrainingExample[] rows, FineTuneOptions options, TrainingExample[]? validation)
    {
        using var model = Load();
        var run = new TrainingRun(model, rows, new NaturalLanguageObjective(), options, validation: validation);
        var result = run.Run();
        return (result, run.Description.Rows, run);
    }

    private LocalModel Load() => LocalModel.Load(_folder.Path, new()
    {
        Trainable = TrainableWeights.Lora, Prompts = new() { MaximumTokens = 64 },
    });

    private static TrainingExample Row(int number, string response) => new()
    {
        Question = $"{number}?", Response = response, Answer = "blue", Source = $"row {number}",
    };
}
