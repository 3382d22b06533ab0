namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

[TestClass]
public sealed class RoundsTests
{
    private const string Command = "rounds --model MODEL --data rows.csv --rounds 2 --steps-per-round 3 --learning-rate 1e-3 --maximum-new-tokens 48";

    [TestMethod]
    public void Rounds_QuestionsAndAnswers_TrainAnAdapterAndSayWhatEveryRoundDrew()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed($"{Command} --output out --folder rounds");
        Assert.MatchesRegex(@"round 1: \d+ of \d+ responses right, \d+ wrong; \d+ rows, 3 steps, loss \d", tool.Error);
        Assert.Contains("round 2: ", tool.Error);
        Assert.AreEqual("2 rounds, 6 steps, adapter in " + tool.PathOf("out"), tool.Out.Trim());
        var card = File.ReadAllText(tool.PathOf("out/README.md"));
        Assert.Contains("`NLFT in 2 rounds`", card);
        Assert.Contains("| `StepsPerRound` | `3` |", card);
        tool.Succeed("generate --adapter out --question \"2+3?\" --maximum-new-tokens 4");

        // The judged responses are rows like any others, and a finished run has nothing left to do.
        tool.Succeed("train --model MODEL --data rounds/round-0001/rows.jsonl --output again --epochs 1");
        tool.Succeed($"{Command} --output copy --folder rounds");
        CollectionAssert.AreEqual(File.ReadAllBytes(tool.PathOf("out/adapter_model.safetensors")),
            File.ReadAllBytes(tool.PathOf("copy/adapter_model.safetensors")));
    }

    [TestMethod]
    [DataRow("--method sft --show-answer --keep-earlier", "SFT in 2 rounds")]
    [DataRow("--method self-distillation --distillation-top-tokens 5", "self-distillation in 2 rounds")]
    [DataRow("--method nlft --samples-per-question 2", "NLFT in 2 rounds")]
    public void Rounds_Settings_AreOnTheCard(string settings, string method)
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed($"{Command} --output out {settings}");
        Assert.Contains($"`{method}`", File.ReadAllText(tool.PathOf("out/README.md")));
    }

    /// <summary>A model of random weights answers nothing right.</summary>
    [TestMethod]
    public void Rounds_NoRightResponse_SaysWhatToDo()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        Assert.AreEqual(ExitCode.BadInput, tool.Run($"{Command} --output out --keep right"));
        Assert.Contains("nlft: the rounds: found ", tool.Error);
        Assert.Contains("0 right and ", tool.Error);
        Assert.IsFalse(Directory.Exists(tool.PathOf("out")));
    }

    [TestMethod]
    [DataRow("--epochs 3", "option Training.Epochs: found 3; expected the default. Set StepsPerRound instead.")]
    [DataRow("--temperature 0", "option Generation.Temperature: found 0; expected above 0.")]
    [DataRow("--rounds 0", "option Rounds: found 0; expected 1 or more.")]
    [DataRow("--validation-share 0.5", "option Training.Validation: found")]
    [DataRow("--checkpoint-folder c", "option Training.CheckpointFolder: found ")]
    public void Rounds_BadOption_IsRefused(string flag, string message)
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        Assert.AreEqual(ExitCode.BadInput, tool.Run($"{Command.Replace("--rounds 2 ", "", StringComparison.Ordinal)} --output out {flag}"));
        Assert.Contains(message, tool.Error);
        Assert.IsFalse(Directory.Exists(tool.PathOf("out")));
    }
}
