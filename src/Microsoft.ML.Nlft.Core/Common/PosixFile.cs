using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// What .NET's file classes do not offer on Linux and macOS, through the native library of the runtime itself: the kind of a file without opening
/// it, two names exchanged, and a folder written through to the disk. Does nothing on Windows.
/// </summary>
internal static partial class PosixFile
{
    private const string Native = "libSystem.Native";
    private const int StatusBytes = 512, ModeAt = 4; // the structure begins with flags and mode; the buffer leaves room for later versions
    private const int ReadOnly = 0, CloseOnExecute = 0x10;
    // EACCES, EINVAL, EROFS, and ENOTSUP of Linux and macOS: the folder may not be read, or the file system does not synchronize folders.
    private static readonly int[] s_unable = [13, 22, 30, 95, 45, 102];

    private const int CurrentFolder = -100, ExchangeNames = 2; // AT_FDCWD and RENAME_EXCHANGE of Linux

    /// <summary>Returns what is at a path, through links, if it is no regular file and no folder: a pipe, a device or a socket; else null.</summary>
    public static string? Special(string path)
    {
        if (OperatingSystem.IsWindows()) return null;
        Span<byte> status = stackalloc byte[StatusBytes];
        try
        {
            if (Stat(path, ref MemoryMarshal.GetReference(status)) != 0) return null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return null; // another runtime
        }

        return (MemoryMarshal.Read<int>(status[ModeAt..]) & 0xF000) switch
        {
            0x1000 => "a named pipe",
            0x2000 or 0x6000 => "a device",
            0xC000 => "a socket",
            _ => null,
        };
    }

    /// <summary>Creates a folder and those above it that are missing, each written through to the disk.</summary>
    public static void CreateFolder(string folder)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Directory.Exists(folder)) return;
        var above = Path.GetDirectoryName(folder);
        if (above is not null) CreateFolder(above);
        Directory.CreateDirectory(folder);
        if (above is not null) SyncFolder(above);
    }

    /// <summary>
    /// Exchanges the names of two files or folders in one step (renameat2 of Linux); returns false, with nothing changed, where that fails.
    /// </summary>
    public static unsafe bool Exchange(string one, string other)
    {
        if (!OperatingSystem.IsLinux()) return false;
        if (!NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "renameat2", out var found)) return false; // an old C library
        var rename = (delegate* unmanaged<int, byte*, int, byte*, uint, int>)found;
        fixed (byte* first = Encoding.UTF8.GetBytes(one + '\0'), second = Encoding.UTF8.GetBytes(other + '\0'))
            return rename(CurrentFolder, first, CurrentFolder, second, ExchangeNames) == 0;
    }

    /// <summary>Writes a folder through to the disk, so that a rename in it outlasts a loss of power, where the file system can.</summary>
    /// <exception cref="IOException">It fails.</exception>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        try
        {
            var handle = Open(folder, ReadOnly | CloseOnExecute, 0);
            var error = handle < 0 || Sync(handle) < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (handle >= 0) _ = Close(handle);
            if (error != 0 && !s_unable.Contains(error)) throw new IOException($"{Marshal.GetPInvokeErrorMessage(error)}: '{folder}'", error);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
        }
    }

    [LibraryImport(Native, EntryPoint = "SystemNative_Stat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(string path, ref byte status);

    [LibraryImport(Native, EntryPoint = "SystemNative_Open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags, int mode);

    [LibraryImport(Native, EntryPoint = "SystemNative_FSync", SetLastError = true)]
    private static partial int Sync(nint handle);

    [LibraryImport(Native, EntryPoint = "SystemNative_Close")]
    private static partial int Close(nint handle);
}
