using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Opens every file that is read. Refuses, by name and before opening it, what is not a regular file: a pipe without a writer would be
/// waited for without end, and a device has no end. Symbolic links to regular files are followed.
/// </summary>
internal static class InputFile
{
    /// <summary>The longest text file that is read as a whole, in bytes.</summary>
    public const int MaximumTextBytes = 1 << 24;

    private const string CheckPath = "Check the path and the permissions.";

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file. A pipe that the shell opened (/dev/fd, /dev/stdin) is read too.</param>
    /// <param name="expected">What the file should be, for messages.</param>
    /// <param name="remedy">What to do if it is not there.</param>
    /// <exception cref="NlftException">There is no regular file, or it cannot be opened.</exception>
    public static FileStream Open(string path, string expected, string remedy = CheckPath)
    {
        if (!IsOpened(path) && FilePresence.Fault(path) is { } fault) throw new NlftException(path, fault, expected, remedy);
        return Guard(path, expected, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0));
    }

    /// <summary>Opens a file to be read at random places.</summary>
    /// <exception cref="NlftException">As with <see cref="Open"/>.</exception>
    public static SafeFileHandle OpenHandle(string path, string expected)
    {
        if (FilePresence.Fault(path) is { } fault) throw new NlftException(path, fault, expected, CheckPath);
        return Guard(path, expected, () => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete));
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="expected">What the file should be, for messages.</param>
    /// <param name="most">Longest file in bytes.</param>
    /// <param name="remedy">What to do if it is not there.</param>
    /// <exception cref="NlftException">As with <see cref="Open"/>, or the file is longer.</exception>
    public static byte[] ReadBytes(string path, string expected, int most, string remedy = CheckPath)
    {
        using var file = Open(path, expected, remedy);
        return Guard(path, expected, () =>
        {
            if (file.CanSeek && file.Length > most) throw TooLong();
            using var bytes = new MemoryStream(file.CanSeek ? (int)file.Length : 0);
            var buffer = new byte[1 << 16];
            for (int read; (read = file.Read(buffer)) > 0;)
            {
                if (bytes.Length + read > most) throw TooLong();
                bytes.Write(buffer, 0, read);
            }

            return bytes.ToArray();
        });

        NlftException TooLong() => new(path, $"a file of more than {most} bytes", expected, "Name the right file.");
    }

    /// <summary>Reads a whole UTF-8 text, with or without a byte order mark.</summary>
    /// <exception cref="NlftException">As with <see cref="ReadBytes"/>, or the bytes are not UTF-8.</exception>
    public static string ReadText(string path, string expected, int most = MaximumTextBytes)
    {
        ReadOnlySpan<byte> bytes = ReadBytes(path, expected, most);
        bytes = bytes[JsonFile.MarkLength(bytes, path)..];
        if (JsonFile.FirstInvalid(bytes) is var invalid and >= 0)
            throw JsonFile.NotUtf8($"{path}, line {bytes[..invalid].Count((byte)'\n') + 1}", bytes[invalid]);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Whether a path names a descriptor that this process already has, such as a pipe that the shell made.</summary>
    private static bool IsOpened(string path) => path == "/dev/stdin" || path.StartsWith("/dev/fd/", StringComparison.Ordinal)
        || path.StartsWith("/proc/self/fd/", StringComparison.Ordinal);

    private static T Guard<T>(string path, string expected, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new NlftException(path, FilePresence.Fault(path) ?? $"a file that cannot be read ({e.Message})", expected, CheckPath, e);
        }
    }
}
