using Microsoft.ML.Nlft.Tool.Data;

namespace Microsoft.ML.Nlft.Tool.Tests;

/// <summary>Tests that results appear whole or not at all.</summary>
[TestClass]
public sealed class RowWriterTests
{
    private readonly ToolRun _tool = new();

    [TestCleanup]
    public void Clean() => _tool.Dispose();

    [TestMethod]
    public void Write_LinesThatFailHalfWay_LeaveTheOldFileAlone()
    {
        var path = _tool.PathOf("out/rows.jsonl");
        RowWriter.Write(path, ["old"]);
        var failing = Enumerable.Range(0, 9).Select(i => i < 5 ? "new" : throw new InvalidDataException());
        Assert.ThrowsExactly<InvalidDataException>(() => RowWriter.Write(path, failing));
        Assert.AreEqual("old\n", File.ReadAllText(path));
        CollectionAssert.AreEqual(new[] { path }, Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    /// <summary>Linux's /dev/full stands for a full disk.</summary>
    [TestMethod]
    public void Write_FullDisk_SaysSoAndKeepsTheOldFile()
    {
        if (!File.Exists("/dev/full")) Assert.Inconclusive("There is no /dev/full here.");
        var path = _tool.PathOf("rows.jsonl");
        RowWriter.Write(path, ["old"]);
        var message = Assert.ThrowsExactly<NlftException>(() => RowWriter.Write(path, Enumerable.Range(0, 1).Select(_ => Full()))).Message;
        Assert.AreEqual($"{path}: found a full disk; expected room for the file. Free space on the disk, or name a place on another one. "
            + "What was there before is unchanged.", message);
        Assert.AreEqual("old\n", File.ReadAllText(path));

        static string Full()
        {
            File.WriteAllText("/dev/full", "x");
            return "";
        }
    }

    [TestMethod]
    public void Select_OutputThatIsAFolder_IsRefused()
    {
        _tool.WriteRows();
        Directory.CreateDirectory(_tool.PathOf("taken/inside"));
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("select --data rows.csv --count 2 --ratio incorrect --output taken"));
        Assert.Contains($"nlft: {_tool.PathOf("taken")}: found a folder; expected a regular file", _tool.Error);
        Assert.Contains("What was there before is unchanged.", _tool.Error);
        Assert.IsEmpty(Directory.GetFiles(Path.GetDirectoryName(_tool.PathOf("taken"))!, ".*"));
    }
}
