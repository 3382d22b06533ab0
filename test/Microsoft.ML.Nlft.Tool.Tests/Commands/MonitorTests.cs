namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>What follows a run besides the console.</summary>
[TestClass]
public sealed class MonitorTests
{
    [TestMethod]
    public void Train_Monitors_WritePageTensorBoardAndMap()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        tool.Succeed("train --model MODEL --data rows.csv --output out --epochs 2 --live --live-runs kept "
            + "--tensorboard runs/one --map map.html --map-rows 2");

        Assert.MatchesRegex(@"Follow the run at http://127\.0\.0\.1:\d+/", tool.Error);
        Assert.StartsWith("events.out.tfevents.", Path.GetFileName(Directory.GetFiles(tool.PathOf("runs/one")).Single()));
        Assert.HasCount(1, Directory.GetFiles(tool.PathOf("kept")));
        Assert.Contains("<title>Saliency map: model</title>", File.ReadAllText(tool.PathOf("map.html")));
        Assert.DoesNotContain("RecordedRows", File.ReadAllText(tool.PathOf("out/nlft-options.json")));
        // what was recorded is no option of the file
        tool.Succeed("train --model MODEL --options out/nlft-options.json --data rows.csv --output again");

        Assert.AreEqual(ExitCode.BadInput, tool.Run("train --model MODEL --data rows.csv --output sft --method sft --map sft.html"));
        Assert.Contains("--map sft.html: found the objective SFT; expected --method nlft", tool.Error);
        Assert.AreEqual(ExitCode.Usage, tool.Run("train --model MODEL --data rows.csv --output out --map map.html --map-rows 0"));
        Assert.Contains("--map-rows: found \"0\"; expected 1 or more.", tool.Error);
        Assert.AreEqual(ExitCode.Usage, tool.Run("train --model MODEL --data rows.csv --output out --mlflow localhost"));
        Assert.Contains("--mlflow: found \"localhost\"; expected an address that begins with http:// or https://.", tool.Error);
        // Nobody listens on port 1: the run ends well, and says once that it is not recorded.
        tool.Succeed("train --model MODEL --data rows.csv --output recorded --epochs 1 --mlflow http://127.0.0.1:1 --experiment one");
        Assert.HasCount(2, tool.Error.Split("MLflow at http://127.0.0.1:1: found "));
    }
}
