using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool;
using Microsoft.ML.Nlft.Tool.Inspection;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The command-line tool with libtorch beside it.</summary>
[TestClass]
public sealed class ToolTests
{
    [TestMethod]
    [DataRow("--engine torch --device cpu", 1e-4)]
    [DataRow("--engine torch --device cpu --recompute-activations", 1e-4)]
    [DataRow("--engine torch --device cpu --threads 1 --weights all", 1e-4)]
    [DataRow("--engine torch --device cpu --int8-weights", 0.1)]
    [DataRow("--engine torch --device cpu --int4-weights", 0.5)]
    [DataRow("--engine managed --device cpu", 0)]
    public void Train_EitherEngine_GivesTheSameFirstLoss(string engine, double tolerance)
    {
        using var model = new ModelOnDisk();
        var rows = model.Beside("rows.csv");
        File.WriteAllText(rows, "Question,Response,Judgment,Answer\n2+3?,#### 6,The sum is 5.,5\n1+1?,#### 2,,2\n");
        var weights = engine.Contains("--weights all", StringComparison.Ordinal) ? " --weights all" : "";

        Assert.AreEqual(Loss(weights), Loss($" {engine}"), tolerance);

        double Loss(string flags) => double.Parse(Regex.Match(Run($"train --model {model.Folder} --data {rows} --output "
            + $"{model.Beside($"out{Guid.NewGuid():N}")} --epochs 1 --batch-size 2{flags}"), @"^1 steps, last loss (\S+),").Groups[1].Value,
            CultureInfo.InvariantCulture);
    }

    [TestMethod]
    public void Generate_EitherEngine_AnswersTheSame()
    {
        using var model = new ModelOnDisk();
        var command = $"generate --model {model.Folder} --question 2+3? --maximum-new-tokens 8";
        Assert.AreEqual(Run(command), Run($"{command} --engine torch --device cpu"));
    }

    [TestMethod]
    public void Doctor_TorchEngine_PassesTheSelfTest()
    {
        var report = Run("doctor --engine torch --device cpu --threads 1");
        Assert.MatchesRegex("engine +torchsharp on cpu, 1 threads", report);
        Assert.HasCount(3, Regex.Matches(report, "self-test .*passed").ToArray());
    }

    /// <summary>The rows of nlft inspect are the engine's own estimates.</summary>
    [TestMethod]
    [DataRow("train", false, null)]
    [DataRow("train, RecomputeActivations", true, null)]
    [DataRow("train, Int8Weights", false, 8)]
    [DataRow("train, Int4Weights", false, 4)]
    public void Inspect_TorchSharpRow_IsTheEnginesEstimate(string use, bool recompute, int? bits)
    {
        using var model = new ModelOnDisk();
        var (facts, lora) = (ModelFacts.Read(model.Folder), new LoraConfiguration { Rank = 4 });
        var row = MemoryRow.Of(facts, lora, rows: 3, tokens: 50).Single(row => row.Engine == "torchsharp" && row.Use == use);
        var need = Models.Engine(recompute, bits, TensorType.BF16).Estimate(new()
        {
            Model = facts.Configuration, WeightBytes = 0, Trainable = TrainableWeights.Lora, Lora = lora, Tokens = 150,
        })!;
        Assert.AreEqual((row.Weights, row.Trained, row.Activations, row.Sum), (need.Weights, need.Trained, need.Activations, need.Sum));
    }

    private static string Run(string commandLine)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var console = new ToolConsole { In = TextReader.Null, Out = output, Error = error };
        var code = new NlftTool(console).RunAsync(commandLine.Split(' ')).GetAwaiter().GetResult();
        Assert.AreEqual(ExitCode.Success, code, error.ToString());
        return output.ToString();
    }
}
