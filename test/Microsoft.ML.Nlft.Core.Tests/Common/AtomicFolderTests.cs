using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tests.Common;

[TestClass]
public sealed class AtomicFolderTests
{
    [TestMethod]
    public void Write_ReplaceableFolder_ReplacesItAsAWhole()
    {
        using var folder = new TemporaryFolder();
        folder.Write("model/old.txt", "old");

        AtomicFolder.Write(folder.File("model"), staging => File.WriteAllText(Path.Combine(staging, "new.txt"), "new"), _ => true);

        CollectionAssert.AreEqual(new[] { "new.txt" }, Names(folder.File("model")));
        CollectionAssert.AreEqual(new[] { "model" }, Names(folder.Path));
    }

    [TestMethod]
    public void Write_NewFolderCannotTakeItsPlace_KeepsTheOldFolder()
    {
        using var folder = new TemporaryFolder();
        folder.Write("model/old.txt", "old");

        // Without the new folder the last move fails, when the old folder has moved away.
        Assert.Throws<Exception>(() => AtomicFolder.Write(folder.File("model"), staging => Directory.Delete(staging), _ => true));

        CollectionAssert.AreEqual(new[] { "old.txt" }, Names(folder.File("model")));
        CollectionAssert.AreEqual(new[] { "model" }, Names(folder.Path));
    }

    private static string[] Names(string folder) => [.. Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order()];
}
