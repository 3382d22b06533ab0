using System.Text.Json;
using Microsoft.ML.Nlft.Tool.Commands;

namespace Microsoft.ML.Nlft.Tool.Tests.Options;

/// <summary>Defaults, then the options file, then flags: seen in the options that a run writes beside its adapter.</summary>
[TestClass]
public sealed class PrecedenceTests
{
    [TestMethod]
    public void Parse_FlagsAndFile_OverrideDefaultsInOrder()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Write("options.json", """{ "FineTune": { "Epochs": 1, "BatchSize": 3 }, "Lora": { "Rank": 2, "Alpha": 5 } }""");

        tool.Succeed("train --model MODEL --data rows.csv --output out --options options.json --lora-rank 3 --shuffle false --refresh every-epoch "
            + "--lora-target-modules q_proj v_proj --lora-alpha-pattern q_proj=8.5 --optimizer-beta1 0.8 --objective-judge-likelihood");

        using var written = JsonDocument.Parse(File.ReadAllText(tool.PathOf($"out/{TrainCommand.OptionsFileName}")));
        JsonElement fineTune = written.RootElement.GetProperty("FineTune"), lora = written.RootElement.GetProperty("Lora");
        Assert.AreEqual(3, lora.GetProperty("Rank").GetInt32());
        Assert.AreEqual(5, lora.GetProperty("Alpha").GetDouble());
        Assert.AreEqual("[\"q_proj\",\"v_proj\"]", JsonSerializer.Serialize(lora.GetProperty("TargetModules")));
        Assert.AreEqual(8.5, lora.GetProperty("AlphaPattern").GetProperty("q_proj").GetDouble());
        Assert.AreEqual(1, fineTune.GetProperty("Epochs").GetInt32());
        Assert.AreEqual(3, fineTune.GetProperty("BatchSize").GetInt32());
        Assert.IsFalse(fineTune.GetProperty("Shuffle").GetBoolean());
        Assert.AreEqual("EveryEpoch", fineTune.GetProperty("Refresh").GetString());
        Assert.AreEqual(0.8, fineTune.GetProperty("Optimizer").GetProperty("Beta1").GetDouble());
        Assert.AreEqual(5e-5, fineTune.GetProperty("LearningRate").GetDouble());
        Assert.IsTrue(written.RootElement.GetProperty("Objective").GetProperty("JudgeLikelihood").GetBoolean());
        using var adapter = JsonDocument.Parse(File.ReadAllText(tool.PathOf("out/adapter_config.json")));
        Assert.AreEqual(3, adapter.RootElement.GetProperty("r").GetInt32());
    }

    [TestMethod]
    public void Train_WrittenOptions_RepeatTheRun()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed("train --model MODEL --data rows.csv --output first --epochs 2 --learning-rate 0.01 --seed 5 --lora-rank 2");

        tool.Succeed($"train --model MODEL --data rows.csv --output second --options first/{TrainCommand.OptionsFileName}");

        CollectionAssert.AreEqual(File.ReadAllBytes(tool.PathOf("first/adapter_model.safetensors")),
            File.ReadAllBytes(tool.PathOf("second/adapter_model.safetensors")));
    }
}
