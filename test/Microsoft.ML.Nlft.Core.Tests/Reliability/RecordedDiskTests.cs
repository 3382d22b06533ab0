using System.Text;
using Microsoft.ML.Nlft.Reliability.Torture;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>What is on a disk after a loss of power. The folder is /r; before, it holds the file a with "old".</summary>
[TestClass]
public sealed class RecordedDiskTests
{
    private const string Created = "C 7 /r/t", Written = "W 7 new", Synchronized = "S 7 /r/t", Renamed = "R /r/t /r/a", FolderSynchronized = "S 1 /r";

    /// <summary>Names and contents where all that was not synchronized is lost, and where the names are kept.</summary>
    [TestMethod]
    [DataRow("a=old", "a=old t=", Created, Written)]
    [DataRow("a=old", "a=old t=new", Created, Written, Synchronized)]
    [DataRow("a=old", "a=", Created, Written, Renamed)]
    [DataRow("a=old", "a=new", Created, Written, Synchronized, Renamed)]
    [DataRow("a=", "a=", Created, Written, Renamed, FolderSynchronized)]
    [DataRow("a=new", "a=new", Created, Written, Synchronized, Renamed, FolderSynchronized)]
    [DataRow("a=old", "", "U /r/a")]
    [DataRow("", "", "U /r/a", FolderSynchronized)]
    [DataRow("a=old", "a=new t=old", Created, Written, Synchronized, "X /r/t /r/a")]
    [DataRow("a=old", "a=old", "O 3 /r/a", "W 3 changed")]
    [DataRow("a=changed", "a=changed", "O 3 /r/a", "W 3 changed", "S 3 /r/a")]
    [DataRow("a=", "a=", "O 3 /r/a", "T 3", "S 3 /r/a")]
    [DataRow("a=old", "a=old d/t=new", "D /r/d", "C 7 /r/d/t", Written, "S 7 /r/d/t", "S 2 /r/d")]
    [DataRow("a=old d/t=new", "a=old d/t=new", "D /r/d", "C 7 /r/d/t", Written, "S 7 /r/d/t", "S 2 /r/d", FolderSynchronized)]
    public void Apply_Events_LeaveWhatWasSynchronized(string withoutAll, string withNames, params string[] events)
    {
        var disk = new RecordedDisk("/r", new Dictionary<string, byte[]> { ["a"] = "old"u8.ToArray() });
        foreach (var one in events) disk.Apply(Event(one));
        Assert.AreEqual(withoutAll, Text(disk.WithoutAll()));
        Assert.AreEqual(withNames, Text(disk.WithNamesAlone()));
    }

    [TestMethod]
    public void Drawn_UnsynchronizedFile_HasAnyPartUnderAnyName()
    {
        var disk = new RecordedDisk("/r", new Dictionary<string, byte[]> { ["a"] = "old"u8.ToArray() });
        foreach (var one in (string[])[Created, Written, Renamed]) disk.Apply(Event(one));
        var random = new Random(1);
        var seen = Enumerable.Range(0, 500).Select(_ => Text(disk.Drawn(random))).Distinct().ToList();
        foreach (var expected in (string[])["a=old", "a=old t=new", "a=new", "a=", "a=n", "a=ne", "a=new t=new"])
            CollectionAssert.Contains(seen, expected);
        Assert.IsFalse(seen.Any(text => !text.StartsWith("a=", StringComparison.Ordinal)), "a rename replaces its target in one step");
    }

    /// <summary>Makes an event of "KIND INODE WHAT", or of "KIND PATHS".</summary>
    private static DiskEvent Event(string text)
    {
        var words = text.Split(' ');
        return ulong.TryParse(words[1], out var inode)
            ? new(words[0][0], inode, 0, Encoding.UTF8.GetBytes(words.Length > 2 ? words[2] : ""))
            : new(words[0][0], 0, 0, Encoding.UTF8.GetBytes(string.Join('\n', words[1..])));
    }

    private static string Text(Dictionary<string, byte[]> files) => string.Join(' ',
        files.OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => $"{file.Key}={Encoding.UTF8.GetString(file.Value)}"));
}
