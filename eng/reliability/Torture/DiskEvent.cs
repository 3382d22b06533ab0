using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>One event of a record of faults.c.</summary>
/// <param name="Kind">
/// C: a file was created; O: opened; Z: opened and emptied; W: bytes were written; T: it got a length; S: a file or folder was written through;
/// R: renamed; X: two names exchanged; L: a second name; U: deleted; D: a folder was created.
/// </param>
/// <param name="Inode">The file; 0 where the paths say it.</param>
/// <param name="Offset">The place of the bytes, or the length.</param>
/// <param name="Bytes">The bytes; else a path, or two of them on two lines.</param>
internal readonly record struct DiskEvent(char Kind, ulong Inode, long Offset, byte[] Bytes)
{
    /// <summary>The path, or the first of two.</summary>
    public string Path => Encoding.UTF8.GetString(Bytes).Split('\n')[0];

    /// <summary>The second path.</summary>
    public string Target => Encoding.UTF8.GetString(Bytes).Split('\n')[1];

    /// <summary>Reads a record.</summary>
    public static List<DiskEvent> Read(string path)
    {
        ReadOnlySpan<byte> rest = File.ReadAllBytes(path);
        var events = new List<DiskEvent>();
        while (!rest.IsEmpty)
        {
            var end = rest.IndexOf((byte)'\n');
            var fields = Encoding.ASCII.GetString(rest[..end]).Split(' ');
            var length = int.Parse(fields[3], CultureInfo.InvariantCulture);
            events.Add(new(fields[0][0], ulong.Parse(fields[1], CultureInfo.InvariantCulture), long.Parse(fields[2], CultureInfo.InvariantCulture),
                rest.Slice(end + 1, length).ToArray()));
            rest = rest[(end + 1 + length)..];
        }
        return events;
    }
}
