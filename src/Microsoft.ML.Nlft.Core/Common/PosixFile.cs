using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// What .NET's file classes do not offer on Linux and macOS, through the native library of the runtime itself: the kind of a file without opening
/// it, and a folder written through to the disk. Does nothing on Windows.
/// </summary>
internal static partial class PosixFile
{
    private const string Native = "libSystem.Native";
    private const int StatusBytes = 512, ModeAt = 4; // the structure begins with flags and mode; the buffer leaves room for later versions
    private const int ReadOnly = 0, CloseOnExecute = 0x10;

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

    /// <summary>Writes a folder through to the disk, so that a rename in it outlasts a loss of power, where the file system can.</summary>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        try
        {
            var handle = Open(folder, ReadOnly | CloseOnExecute, 0);
            if (handle < 0) return;
            _ = Sync(handle);
            _ = Close(handle);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
        }
    }

    [LibraryImport(Native, EntryPoint = "SystemNative_Stat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(string path, ref byte status);

    [LibraryImport(Native, EntryPoint = "SystemNative_Open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags, int mode);

    [LibraryImport(Native, EntryPoint = "SystemNative_FSync")]
    private static partial int Sync(nint handle);

    [LibraryImport(Native, EntryPoint = "SystemNative_Close")]
    private static partial int Close(nint handle);
}
