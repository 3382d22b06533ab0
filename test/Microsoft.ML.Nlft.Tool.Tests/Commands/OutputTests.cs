namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>What the commands write does not take the place of what they read, nor of what is no regular file.</summary>
[TestClass]
public sealed class OutputTests
{
    private readonly ToolRun _tool = new();

    [TestCleanup]
    public void Clean() => _tool.Dispose();

    [TestMethod]
    [DataRow("generate --model MODEL --data rows.csv --output rows.csv")]
    [DataRow("judge --data rows.csv --output rows.csv")]
    [DataRow("select --data rows.csv --count 1 --output rows.csv")]
    [DataRow("export --data rows.csv --output rows.csv")]
    [DataRow("evaluate --data rows.csv --output rows.csv")]
    [DataRow("saliency --model MODEL --data rows.csv --output rows.csv")]
    [DataRow("judge --data rows.csv --output ../work/./rows.csv")]
    [DataRow("select --data link.csv --count 1 --output rows.csv")]
    public void Run_OutputIsTheInput_IsRefused(string command)
    {
        _tool.WriteRows();
        if (command.Contains("link.csv")) File.CreateSymbolicLink(_tool.PathOf("link.csv"), "rows.csv");
        var before = File.ReadAllText(_tool.PathOf("rows.csv"));
        Assert.AreEqual(ExitCode.BadInput, _tool.Run(command));
        Assert.Contains("found the file that --data names; expected another file.", _tool.Error);
        Assert.AreEqual(before, File.ReadAllText(_tool.PathOf("rows.csv")));
    }

    [TestMethod]
    [DataRow("select --data rows.csv --count 1 --output link.jsonl")]
    [DataRow("judge --data rows.csv --output link.jsonl")]
    [DataRow("export --data rows.csv --output link.jsonl")]
    [DataRow("generate --model MODEL --question hi --output link.jsonl --maximum-new-tokens 1")]
    [DataRow("generate --model MODEL --data rows.csv --output link.jsonl --maximum-new-tokens 1")]
    public void Run_OutputIsALink_IsRefused(string command)
    {
        _tool.WriteRows();
        _tool.Write("there.jsonl", "kept");
        File.CreateSymbolicLink(_tool.PathOf("link.jsonl"), "there.jsonl");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run(command));
        Assert.Contains("found a link to there.jsonl; expected a regular file, or none yet.", _tool.Error);
        Assert.AreEqual("kept", File.ReadAllText(_tool.PathOf("there.jsonl")));
    }

    /// <summary>Before the first step, not when the map is written after an epoch.</summary>
    [TestMethod]
    [DataRow("rows.csv", "found the file that --data names; expected another file. Name another file with --map")]
    [DataRow("../work/rows.csv", "found the file that --data names")]
    [DataRow("link.html", "found a link to there.html")]
    [DataRow("dangling.html", "found a link to nothing.html")]
    [DataRow("folder.html", "found a folder")]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void Train_MapIsNoFileOfItsOwn_IsRefusedBeforeTheFirstStep(string map, string found)
    {
        _tool.WriteRows();
        _tool.Write("there.html", "kept");
        File.CreateSymbolicLink(_tool.PathOf("link.html"), "there.html");
        File.CreateSymbolicLink(_tool.PathOf("dangling.html"), "nothing.html");
        Directory.CreateDirectory(_tool.PathOf("folder.html"));
        var before = File.ReadAllText(_tool.PathOf("rows.csv"));
        Assert.AreEqual(ExitCode.BadInput, _tool.Run($"train --model MODEL --data rows.csv --output out --allow-contradictions --map {map}"));
        Assert.Contains(found, _tool.Error);
        Assert.DoesNotContain("step", _tool.Error);
        Assert.AreEqual(before, File.ReadAllText(_tool.PathOf("rows.csv")));
        Assert.AreEqual("kept", File.ReadAllText(_tool.PathOf("there.html")));
    }

    [TestMethod]
    public void Train_OutputIsALinkToTheBaseModel_IsRefused()
    {
        _tool.WriteRows();
        Directory.CreateSymbolicLink(_tool.PathOf("out"), _tool.Model);
        var before = Directory.GetFiles(_tool.Model);
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("train --model MODEL --data rows.csv --output out --overwrite --epochs 1"));
        Assert.Contains("found the folder of the base model; expected another folder.", _tool.Error);
        CollectionAssert.AreEqual(before, Directory.GetFiles(_tool.Model));
    }

    [TestMethod]
    public void Train_OutputOfAnotherRun_IsRefused()
    {
        _tool.WriteRows();
        using (Common.FolderLock.Beside(_tool.PathOf("out")))
            Assert.AreEqual(ExitCode.BadInput, _tool.Run("train --model MODEL --data rows.csv --output out --epochs 1 --allow-contradictions"));
        Assert.Contains("found a folder to which another run is writing;", _tool.Error);
        _tool.Succeed("train --model MODEL --data rows.csv --output out --epochs 1 --allow-contradictions");
        Assert.IsFalse(File.Exists(_tool.PathOf(".out.nlft.lock")));
    }
}
