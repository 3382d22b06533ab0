using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>The gold answers as right responses beside the rows.</summary>
[TestClass]
public sealed class TrainOnAnswersTests : IDisposable
{
    private static readonly FineTuneOptions s_options = new() { Epochs = 2, BatchSize = 2, LearningRate = 1e-2, TrainOnAnswers = true };

    private static readonly TrainingExample[] s_rows =
        [Row(1, "3") with { Judgment = "It is more." }, Row(2, "5"), Row(1, "4") with { Source = "row 1b" }, Row(3, "7")];

    private readonly ByteModelFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void Run_TrainingOnAnswers_TrainsOnOneMoreRowForEveryQuestion()
    {
        var rows = s_rows.Append(s_rows[1] with { Instruction = "Be brief." }).ToArray(); // another instruction is another prompt
        TrainingExample[] first = [rows[0], rows[1], rows[3], rows[4]];
        var answers = first.Select(row => row with { Response = row.Answer, Judgment = null });
        var recording = s_options with { RecordedRows = [3] };
        var (losses, run) = Run(rows, recording);
        var (expected, byHand) = Run([.. rows, .. answers], recording with { TrainOnAnswers = false });

        CollectionAssert.AreEqual(expected, losses);
        Assert.AreEqual((9, 9, 5), (run.Description.Rows, byHand.Description.Rows, run.Data!.Rows));
    }

    [TestMethod]
    public void Run_QuestionsHeldOut_DoesNotTrainOnTheirAnswers()
    {
        var (_, run) = Run(s_rows, s_options with { Validation = new() { Share = 0.34 } });
        var (trained, held) = (run.Description.Rows, run.Description.ValidationRows);
        Assert.AreEqual(4, trained - 2 + held, "of three questions, two are trained and have an answer");

        var (_, given) = Run(s_rows, s_options, [Row(4, "8")]);
        Assert.AreEqual((7, 1), (given.Description.Rows, given.Description.ValidationRows));
    }

    [TestMethod]
    public void Constructor_AnswersThatCannotBeTrained_AreRefusedOrLeftOut()
    {
        using var model = Load();
        TrainingExample[] rows = [s_rows[0], s_rows[3] with { Answer = new string('x', 70) }];
        Assert.StartsWith("the answers: found 1 of 2 that do not fit into MaximumTokens (the answer of row 3: 71 tokens); ",
            Refusal(rows));
        var (_, run) = Run(rows, s_options with { SkipUnusableRows = true });
        Assert.AreEqual((3, "the answer of row 3: 71 tokens"), (run.Description.Rows, run.Data!.TooLong.Single()));

        var chat = Row(5, "6") with { Chat = new() { Messages = [Message("user", "1"), Message("assistant", "2")] } };
        Assert.AreEqual("row 5: found a chat row; expected a question with a gold answer, because TrainOnAnswers is set. Leave TrainOnAnswers out.",
            Refusal([s_rows[0], chat], new LikelihoodObjective()));

        string Refusal(TrainingExample[] rows, ITokenObjective? objective = null) => Assert.ThrowsExactly<NlftException>(
            () => new TrainingRun(model, rows, objective ?? new NaturalLanguageObjective(), s_options)).Message;
        static Dictionary<string, object?> Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
    }

    [TestMethod]
    public void Constructor_CheckpointOfARunWithoutAnswers_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Run(s_rows, s_options with { TrainOnAnswers = false, CheckpointFolder = folder.Path });
        var message = Assert.ThrowsExactly<NlftException>(() => Run(s_rows, s_options with { ResumeFrom = folder.Path })).Message;
        Assert.Contains("TrainOnAnswers", message);
    }

    private (double[] Losses, TrainingRun Run) Run(TrainingExample[] rows, FineTuneOptions options, TrainingExample[]? validation = null)
    {
        using var model = Load();
        var run = new TrainingRun(model, rows, new NaturalLanguageObjective(), options, validation: validation);
        return ([.. run.Run().Steps.Select(step => step.Loss)], run);
    }

    private LocalModel Load() => LocalModel.Load(_folder.Path, new()
    {
        Trainable = TrainableWeights.Lora, Prompts = new() { MaximumTokens = 64 },
    });

    private static TrainingExample Row(int number, string response) => new()
    {
        Question = $"{number}?", Response = response, Answer = $"{(char)('a' + number)} and so on", Source = $"row {number}",
    };
}
