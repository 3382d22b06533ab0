using System.Net.Sockets;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tests.Common;

/// <summary>A file that is written replaces regular files only, and keeps what is known of them; two runs do not write to one folder.</summary>
[TestClass]
[OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
public sealed class OutputFileTests
{
    [TestMethod]
    [DataRow("link to a folder", "a link to .")]
    [DataRow("link to a device", "a link to /dev/null")]
    [DataRow("pipe", "a named pipe")]
    [DataRow("socket", "a socket")]
    [DataRow("folder", "a folder")]
    public void Write_OverWhatIsNoRegularFile_IsRefused(string kind, string found)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        folder.Write("there", "old");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        switch (kind)
        {
            case "link to a folder": Directory.CreateSymbolicLink(path, "."); break;
            case "link to a device": File.CreateSymbolicLink(path, "/dev/null"); break;
            case "pipe": OddFileTests.MakePipe(path); break;
            case "socket": socket.Bind(new UnixDomainSocketEndPoint(path)); break;
            default: Directory.CreateDirectory(path); break;
        }

        Assert.AreEqual($"out: found {found}; expected a regular file, or none yet. Name another place. What was there before is unchanged.",
            folder.Refusal(() => AtomicFile.WriteAll((folder.File("first"), stream => stream.WriteByte(1)), (path, stream => stream.WriteByte(1)))));
        Assert.IsFalse(File.Exists(folder.File("first")));
        Assert.AreEqual("old", File.ReadAllText(folder.File("there")));
        Assert.HasCount(2, Directory.EnumerateFileSystemEntries(folder.Path).ToArray());
    }

    [TestMethod]
    [DataRow("there")]
    [DataRow("nowhere")]
    [DataRow("out")]
    public void Write_OverALinkToAFile_ReplacesTheLinkAlone(string target)
    {
        using var folder = new TemporaryFolder();
        var (path, there) = (folder.File("out"), folder.Write("there", "old"));
        File.CreateSymbolicLink(path, target);
        StringAssert.StartsWith(folder.Refusal(() => OutputFile.RequireNoLink(path)),
            $"out: found a link to {target}; expected a regular file, or none yet.");
        AtomicFile.Write(path, stream => stream.Write("new"u8));
        Assert.AreEqual(("new", "old", (string?)null), (File.ReadAllText(path), File.ReadAllText(there), new FileInfo(path).LinkTarget));
    }

    [TestMethod]
    [DataRow(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [DataRow(UnixFileMode.UserRead)]
    [DataRow(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)]
    [DataRow(UnixFileMode.UserRead | UnixFileMode.UserExecute)]
    [DataRow(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead)]
    public void Write_OverAFile_KeepsItsPermissions(UnixFileMode mode)
    {
        if (OperatingSystem.IsWindows()) return; // there are none
        using var folder = new TemporaryFolder();
        var path = folder.Write("out", "old");
        File.SetUnixFileMode(path, mode);
        AtomicFile.Write(path, stream => stream.Write("new"u8));
        Assert.AreEqual(mode, File.GetUnixFileMode(path));
        Assert.AreEqual("new", File.ReadAllText(path));
    }

    [TestMethod]
    public void WriteFolder_OverALink_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("there"));
        Directory.CreateSymbolicLink(folder.File("out"), "there");
        StringAssert.StartsWith(folder.Refusal(() => AtomicFolder.Write(folder.File("out"), _ => { })),
            "out: found a link to there;");
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.File("there")));
    }

    [TestMethod]
    public void Inside_SecondOwner_IsRefusedUntilTheFirstHasGone()
    {
        using var folder = new TemporaryFolder();
        var first = FolderLock.Inside(folder.File("checkpoints"));
        StringAssert.StartsWith(folder.Refusal(() => FolderLock.Inside(folder.File("checkpoints"))),
            "checkpoints: found a folder to which another run");
        first.Dispose();
        Assert.IsEmpty(folder.Files());
        FolderLock.Inside(folder.File("checkpoints")).Dispose();
    }

    [TestMethod]
    public void Beside_SecondOwner_IsRefusedUntilTheFirstHasGone()
    {
        using var folder = new TemporaryFolder();
        var first = FolderLock.Beside(folder.File("tuned"));
        StringAssert.StartsWith(folder.Refusal(() => FolderLock.Beside(folder.File("tuned/"))), "tuned: found a folder to which another run");
        using (FolderLock.Beside(folder.File("other"))) first.Dispose();
        Assert.IsEmpty(folder.Files());
    }

    [TestMethod]
    public void Inside_FileOfADeadProcess_DoesNotBlock()
    {
        using var folder = new TemporaryFolder();
        folder.Write("checkpoints/.nlft.lock", "");
        FolderLock.Inside(folder.File("checkpoints")).Dispose();
        Assert.IsEmpty(folder.Files());
    }
}
