using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

[TestClass]
public sealed class TrainTests
{
    [TestMethod]
    public void Train_Rows_WritesAnAdapterThatKnowsItsBaseModel()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        var said = tool.Succeed("train --model MODEL --data rows.csv --output out --epochs 2 --batch-size 2 --learning-rate 0.01");

        Assert.MatchesRegex(@"^4 steps, last loss -?\d+\.\d{4}, adapter in ", said);
        Assert.Contains("3 rows (2 with a judgment)", tool.Error);
        Assert.Contains("Training: 100 %, step 4 of 4", tool.Error);
        var adapter = LoraAdapter.Load(tool.PathOf("out"));
        Assert.AreEqual(Path.GetFileName(tool.Model), adapter.BaseModel);
        Assert.Contains("3 rows: 1 with a right response, 2 with a wrong one", File.ReadAllText(tool.PathOf("out/README.md")));
        Assert.IsTrue(adapter.Factors.Any(factor => factor.Name.EndsWith("lora_B", StringComparison.Ordinal)
            && factor.Values.Any(value => value != 0)));
        tool.Succeed("generate --adapter out --question 2+3? --maximum-new-tokens 3");
    }

    [TestMethod]
    [DataRow("nlft")]
    [DataRow("sft")]
    public void Train_ContradictingRow_IsRefusedUnlessAllowed(string method)
    {
        using var tool = new ToolRun();
        tool.Write("rows.csv", "Question,Response,Answer\n2+3?,#### 5,5\n1+1?,#### 3,2\n1+1?,#### 3,2\n");
        var train = $"train --model MODEL --data rows.csv --output out --epochs 1 --method {method}";

        Assert.AreEqual(ExitCode.BadInput, tool.Run(train));
        Assert.Contains("nlft: the rows: found 2 of 3 without a judgment whose final answer is not the gold one ", tool.Error);
        Assert.Contains("rows.csv, line 3: 3, not 2; ", tool.Error);
        Assert.IsFalse(Directory.Exists(tool.PathOf("out")));

        tool.Succeed($"{train} --allow-contradictions");
        Assert.Contains("contradict the answer         2  ", tool.Error);
        Assert.MatchesRegex(@"duplicates +1  .*rows\.csv, line 4\n", tool.Error);
    }

    [TestMethod]
    public void Train_RowsThatTheLengthLimitCuts_AreCountedBeforeTheFirstStep()
    {
        using var tool = new ToolRun();
        tool.Write("rows.csv", $"Question,Response,Answer\n2+3?,#### 5,5\n{string.Concat(Enumerable.Repeat("2+3 and ", 40))}?,#### 5,5\n");

        tool.Succeed("train --model MODEL --data rows.csv --output out --epochs 1 --prompt-maximum-tokens 200");

        var table = tool.Error[..tool.Error.IndexOf("Training:", StringComparison.Ordinal)];
        Assert.MatchesRegex(@"cut by the length limit +1  .*rows\.csv, line 3\n", table);
        Assert.MatchesRegex(@"contradict the answer +0  of 2 without a judgment that can be compared\n", table);
    }

    [TestMethod]
    public void Train_TabsInACsvFile_AreNamedAndRead()
    {
        using var tool = new ToolRun();
        tool.Write("rows.csv", "Question\tResponse\tAnswer\n2+3?\t#### 5\t5\n");
        const string train = "train --model MODEL --data rows.csv --output out --epochs 1";

        Assert.AreEqual(ExitCode.BadInput, tool.Run(train));
        Assert.Contains(@"Name the delimiter \t (nlft: --delimiter ""\t"").", tool.Error);
        tool.Succeed(["train", "--model", tool.Model, "--data", "rows.csv", "--output", "out", "--epochs", "1", "--delimiter", @"\t"]);
    }

    [TestMethod]
    public async Task Train_Prompts_AreRememberedEverywhere()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed(["train", "--model", tool.Model, "--data", "rows.csv", "--output", "out", "--epochs", "3", "--learning-rate", "0.01",
            "--prompt-base-user", "Solve: {question}", "--prompt-template-variables", "enable_thinking=false"]);

        var said = tool.Succeed("generate --adapter out --question 2+3? --maximum-new-tokens 6");

        Assert.AreEqual(said, tool.Succeed("generate --model out --question 2+3? --maximum-new-tokens 6"), "a saved model is a model");
        Assert.AreEqual(said,
            tool.Succeed(["generate", "--adapter", "out", "--question", "2+3?", "--maximum-new-tokens", "6",
                "--prompt-base-user", "Solve: {question}"]));
        using (var client = NlftModel.LoadChatClient(tool.PathOf("out")))
            Assert.AreEqual(said.TrimEnd('\n'), (await client.GetResponseAsync("2+3?", new() { MaxOutputTokens = 6 })).Text.TrimEnd('\n'));
        var saved = LocalModelDescription.Load(tool.PathOf("out"));
        Assert.AreEqual("False", saved.Settings.Prompts.TemplateVariables["enable_thinking"]!.ToString());
        Assert.AreEqual("NLFT", saved.Card!.Method);
        tool.Succeed("merge --adapter out --output merged");
        Assert.Contains("3 rows: 1 with a right response, 2 with a wrong one",
            File.ReadAllText(tool.PathOf("merged/README.md")), "the card goes along");
        tool.Succeed("train --adapter out --data rows.csv --output more --epochs 1");
        Assert.AreEqual("Solve: {question}", LocalModelDescription.Load(tool.PathOf("more")).Settings.Prompts.BaseUser);
        Assert.Contains("  the base model of ", tool.Succeed("inspect --model out"));
    }

    /// <summary>A place below a file can be written by nobody: said before the training, not after it.</summary>
    [TestMethod]
    public void Train_OutputThatCannotBeWritten_IsRefusedBeforeTraining()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        Assert.AreEqual(ExitCode.BadInput, tool.Run("train --model MODEL --data rows.csv --output rows.csv/deep/out --epochs 1"));
        Assert.Contains($"nlft: {tool.PathOf("rows.csv")}: found a place that cannot be written (", tool.Error);
        Assert.DoesNotContain("Training:", tool.Error);
    }

    [TestMethod]
    public void Train_NonFiniteSteps_EndTheRunOrAreCounted()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        const string train = "train --model MODEL --data rows.csv --output out --epochs 3 --batch-size 3 --learning-rate 1e30 --schedule constant "
            + "--warmup-ratio 0";
        Assert.AreEqual(ExitCode.BadInput, tool.Run($"{train} --checkpoint-folder steps"));
        Assert.Contains($"nlft: training step 2, {tool.PathOf("rows.csv")}, line 2, base context: ", tool.Error);
        Assert.Contains("found log-probability NaN at response token 1; expected numbers. The weights are those after step 1; lower LearningRate, "
            + "or leave out the row if it is at fault. " +
            $"The last checkpoint is {tool.PathOf("steps/step-00000001.safetensors")}.", tool.Error);
        Assert.IsFalse(Directory.Exists(tool.PathOf("out")));
        tool.Succeed($"{train} --skip-non-finite-steps");
        Assert.Contains("2 steps were skipped: their loss or gradient was not finite.", tool.Error);
    }

    [TestMethod]
    public void Train_ValidationFile_IsEvaluatedAndTheBestIsSaved()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Write("held.csv", "Question,Response,Judgment,Answer\n3+3?,#### 6,,#### 6\n5+1?,#### 7,The sum is 6.,#### 6\n");
        const string train = "train --model MODEL --data rows.csv --output out --epochs 3 --learning-rate 0.01 --validation held.csv";

        tool.Succeed($"{train} --validation-generated-rows 1 --validation-maximum-new-tokens 4");

        Assert.Contains("3 rows (2 with a judgment), 2 rows held out", tool.Error);
        Assert.MatchesRegex(@"Training: validation before training: loss \S+, accuracy 0\.0 % of 1", tool.Error);
        Assert.MatchesRegex(@"Training: validation after step 3, epoch 3\.00: loss ", tool.Error);
        Assert.MatchesRegex(@"Training:   (3\+3|5\+1)\? -> .* \(expected 6\)", tool.Error);
        Assert.MatchesRegex(@"Training: 100 %, step 3 of 3, loss \S+, validation \S+, token accuracy", tool.Error);
        Assert.MatchesRegex(@"\nBest validation after step \d, epoch \S+: loss .*; the weights are those of that step\.", tool.Error);
        Assert.Contains("- Validation: 2 rows held out, evaluated 4 times", File.ReadAllText(tool.PathOf("out/README.md")));

        Assert.AreEqual(ExitCode.BadInput, tool.Run("train --model MODEL --data rows.csv --output other --validation rows.csv"));
        Assert.Contains("validation rows: found 3 whose question is also trained", tool.Error);
        Assert.AreEqual(ExitCode.BadInput, tool.Run("train --model MODEL --data rows.csv --output other --validation no.csv"));
        Assert.Contains("no.csv", tool.Error);
        Assert.AreEqual(ExitCode.BadInput, tool.Run("train --model MODEL --data rows.csv --output other --validation-patience 2"));
        Assert.Contains("option Validation.Patience: found 2; expected 0, because no row is held out.", tool.Error);
    }

    [TestMethod]
    public void Train_ValidationShare_StopsEarlyAndIsKeptInTheOptions()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed("train --model MODEL --data rows.csv --output out --epochs 50 --learning-rate 1e-9 --validation-share 0.3 "
            + "--validation-patience 2 --validation-minimum-gain 0.5");
        Assert.Contains("Stopped early: the evaluations gained nothing. Best validation after step ", tool.Error);
        Assert.StartsWith("3 steps, ", tool.Out);
        Assert.Contains("\"Share\": 0.3", File.ReadAllText(tool.PathOf("out/nlft-options.json")));
        tool.Succeed("train --model MODEL --options out/nlft-options.json --data rows.csv --output again");
        Assert.StartsWith("3 steps, ", tool.Out);
    }

    [TestMethod]
    public void Train_Adapter_GoesOnFromIt()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed("train --model MODEL --data rows.csv --output first --epochs 2 --learning-rate 0.01 --lora-rank 3");

        tool.Succeed("train --adapter first --data rows.csv --output second --epochs 2 --learning-rate 0.01");

        var (first, second) = (LoraAdapter.Load(tool.PathOf("first")), LoraAdapter.Load(tool.PathOf("second")));
        Assert.AreEqual(3, second.Configuration.Rank);
        CollectionAssert.AreNotEqual(first.Factors[0].Values, second.Factors[0].Values);
    }

    [TestMethod]
    public void Train_SupervisedRows_NeedNoAnswer()
    {
        using var tool = new ToolRun();
        tool.Write("rows.jsonl", """{"q": "2+3?", "r": "5"}""");

        tool.Succeed("train --model MODEL --data rows.jsonl --output out --method sft --epochs 1 --column-question q --column-response r");

        Assert.IsTrue(File.Exists(tool.PathOf("out/adapter_model.safetensors")));
    }

    [TestMethod]
    public void Train_AllWeights_WritesAModelFolder()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        tool.Succeed("train --model MODEL --data rows.csv --output whole --weights all --epochs 2 --learning-rate 0.01");

        using ModelFolder before = ModelFolder.Open(tool.Model), after = ModelFolder.Open(tool.PathOf("whole"));
        CollectionAssert.AreNotEqual(before.Tensor("model.norm.weight", 16).ToArray(), after.Tensor("model.norm.weight", 16).ToArray());
        tool.Succeed("generate --model whole --question 2+3? --maximum-new-tokens 3");
    }

    [TestMethod]
    public void Merge_Adapter_AnswersAsModelAndAdapterDo()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed("train --model MODEL --data rows.csv --output adapter --epochs 3 --learning-rate 0.01");

        Assert.StartsWith("6 layers merged, model in ", tool.Succeed("merge --adapter adapter --output merged"));

        Assert.AreEqual(
            tool.Succeed("generate --adapter adapter --question 2+3? --maximum-new-tokens 12"),
            tool.Succeed("generate --model merged --question 2+3? --maximum-new-tokens 12"));
    }

    [TestMethod]
    public void Train_Interrupted_KeepsTheAdapterSoFarAndSaysSo()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        using var interrupt = new CancellationTokenSource();
        var progress = new Interrupting(interrupt);
        var console = new ToolConsole { In = TextReader.Null, Out = new StringWriter(), Error = progress, WorkingDirectory = tool.Folder };

        var code = new NlftTool(console)
            .RunAsync(["train", "--model", tool.Model, "--data", "rows.csv", "--output", "out", "--epochs", "1000"], interrupt.Token).GetAwaiter()
            .GetResult();

        Assert.AreEqual(ExitCode.Cancelled, code);
        Assert.MatchesRegex(@"nlft: cancelled after step \d+ of 1000: the training so far is saved in ", progress.ToString());
        Assert.IsGreaterThan(0, LoraAdapter.Load(tool.PathOf("out")).Factors.Count);
    }

    [TestMethod]
    public void Train_InterruptedBeforeTheFirstStep_WritesNothing()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        var code = tool.Run("train --model MODEL --data rows.csv --output out", cancellationToken: new CancellationToken(canceled: true));

        Assert.AreEqual(ExitCode.Cancelled, code);
        Assert.Contains("cancelled", tool.Error);
        Assert.IsFalse(Directory.Exists(tool.PathOf("out")));
    }

    /// <summary>Presses Ctrl+C when the first line of progress appears.</summary>
    private sealed class Interrupting(CancellationTokenSource interrupt) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value!.StartsWith("Training:", StringComparison.Ordinal)) interrupt.Cancel();
        }
    }
}
