using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>The snippets of docs/distributed.md, in a process on its own.</summary>
[TestClass]
public sealed class DistributedSnippets : Workplace
{
    [TestMethod]
    public void DistributedPage_Broadcast_ReachesEveryProcess()
    {
        var output = Console.Out;
        #region One process speaks
        if (!Communicator.Current.IsFirst) Console.SetOut(TextWriter.Null);
        #endregion
        Assert.AreSame(output, Console.Out);
    }

    [TestMethod]
    public void DistributedPage_FirstProcess_Writes()
    {
        var report = "all is well";
        #region One process writes
        Communicator.Current.OnFirst("the report", () => File.WriteAllText("report.txt", report));
        #endregion
        Assert.AreEqual(report, File.ReadAllText("report.txt"));
    }
}
