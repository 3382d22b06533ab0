namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>nlft train, broken off and taken up again.</summary>
[TestClass]
public sealed class CheckpointTests
{
    private const string Train = "train --model MODEL --data rows.csv --epochs 3 --batch-size 2 --learning-rate 0.01";

    [TestMethod]
    public void Train_SameCommandAgain_GoesOnToTheSameFiles()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed($"{Train} --output unbroken");
        tool.Succeed($"{Train} --output first --checkpoint-folder steps --checkpoint-steps 2 --checkpoints-kept 5 --resume-from steps");
        Assert.Contains($"There was no checkpoint in {tool.PathOf("steps")}: the run started from the beginning.", tool.Error);
        File.Delete(tool.PathOf("steps/step-00000006.safetensors"));

        tool.Succeed($"{Train} --output second --checkpoint-folder steps --checkpoint-steps 2 --checkpoints-kept 5 --resume-from steps --threads 1");

        Assert.Contains("Resumed after step 4.", tool.Error);
        foreach (var file in (string[])["adapter_model.safetensors", "adapter_config.json", "README.md", "nlft.json"])
            CollectionAssert.AreEqual(Read("unbroken", file), Read("second", file), file);
        Assert.DoesNotContain("steps\"", File.ReadAllText(tool.PathOf("second/nlft-options.json")).Split("ResumeFrom")[1]);

        byte[] Read(string folder, string file) => File.ReadAllBytes(tool.PathOf(Path.Combine(folder, file)));
    }

    [TestMethod]
    public void Train_ResumedWithAnotherLearningRate_IsRefusedAndTheRateNamed()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed($"{Train} --output first --checkpoint-folder steps");
        Assert.AreEqual(ExitCode.BadInput,
            tool.Run($"{Train} --learning-rate 0.02 --output second --resume-from steps".Replace(" --learning-rate 0.01", "")));
        Assert.Contains("found another run (LearningRate 0.01 there, 0.02 here); expected the same base model, engine, options and rows.",
            tool.Error);
        Assert.IsFalse(Directory.Exists(tool.PathOf("second")));
    }
}
