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

    [TestMethod]
    public void DeleteFolder_DeletingFailsOnce_IsTriedAgain()
    {
        using var folder = new TemporaryFolder();
        folder.Write("old/a.txt", "a");
        var tries = 0;

        WriteFault.DeleteFolder(folder.File("old"), path =>
        {
            if (++tries == 1) throw new IOException("too many open files");
            Directory.Delete(path, recursive: true);
        });

        Assert.AreEqual(2, tries);
        Assert.IsEmpty(Names(folder.Path));
        WriteFault.DeleteFolder(folder.File("old"), _ => Assert.Fail("there is nothing to delete"));
    }

    [TestMethod]
    public void DeleteFolder_DeletingFailsTwice_IsReported()
    {
        using var folder = new TemporaryFolder();
        folder.Write("old/a.txt", "a");
        Assert.ThrowsExactly<UnauthorizedAccessException>(() =>
            WriteFault.DeleteFolder(folder.File("old"), _ => throw new UnauthorizedAccessException("no")));
    }

    private static string[] Names(string folder) => [.. Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order()];
}
