using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tests.Common;

[TestClass]
public sealed class AtomicFileTests
{
    /// <summary>Files that are there before, the one whose place another program takes meanwhile, and files that are written.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [DataRow("a b", "b", "a b")]
    [DataRow("b", "b", "a b")]
    [DataRow("a b c", "c", "a b c")]
    [DataRow("c", "c", "a b c")]
    [DataRow("a b c", "b", "a b c")]
    [DataRow("a", "a", "a")]
    [DataRow("", "c", "a b c")]
    public void WriteAll_OneCannotBeRenamed_PutsBackThoseBeforeIt(string before, string taken, string written)
    {
        using var folder = new TemporaryFolder();
        foreach (var name in Names(before)) folder.Write(name, $"old {name}");

        var message = folder.Refusal(() => AtomicFile.WriteAll([.. Names(written).Select(name => (folder.File(name), (Action<Stream>)(stream =>
        {
            stream.Write("new"u8);
            if (name != Names(written)[^1]) return;
            File.Delete(folder.File(taken));
            Directory.CreateDirectory(folder.File(taken));
        })))]));

        Assert.AreEqual($"{taken}: found a folder; expected a regular file, or none yet. Name another place. What was there before is unchanged.",
            message);
        CollectionAssert.AreEqual(Names(before).Except([taken]).ToArray(), folder.Files());
        foreach (var name in Names(before).Except([taken])) Assert.AreEqual($"old {name}", File.ReadAllText(folder.File(name)));
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("a")]
    [DataRow("b")]
    [DataRow("a b")]
    [DataRow("a b c")]
    public void WriteAll_OlderFiles_ReplacesAllAndLeavesNothingElse(string before)
    {
        using var folder = new TemporaryFolder();
        foreach (var name in Names(before)) folder.Write(name, $"old {name}");
        AtomicFile.WriteAll([.. Names("a b c").Select(name => (folder.File(name), (Action<Stream>)(stream => stream.Write("new"u8))))]);
        CollectionAssert.AreEqual(Names("a b c"), folder.Files());
        foreach (var name in Names("a b c")) Assert.AreEqual("new", File.ReadAllText(folder.File(name)));
    }

    private static string[] Names(string names) => names.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
