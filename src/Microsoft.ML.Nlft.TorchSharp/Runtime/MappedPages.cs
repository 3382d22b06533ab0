using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.TorchSharp.Runtime;

/// <summary>
/// Bytes of a mapped file that have been read and will not be again: their pages count as the process's memory until it is told that it
/// does not need them, so that a model on the CPU would seem to be there twice. Elsewhere than on Linux and macOS the system decides alone.
/// </summary>
internal static partial class MappedPages
{
    private const int DontNeed = 4; // MADV_DONTNEED, of one value on both: pages of a mapped file come back from the file when they are touched

    /// <summary>Lets go of the pages that lie wholly within some mapped bytes.</summary>
    public static unsafe void Release(ReadOnlySpan<byte> mapped)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS()) return;
        var page = (nuint)Environment.SystemPageSize;
        fixed (byte* data = mapped)
        {
            var first = ((nuint)data + page - 1) / page * page;
            var end = ((nuint)data + (nuint)mapped.Length) / page * page;
            if (first < end) _ = Advise(first, end - first, DontNeed); // a hint: nothing is lost when it is refused
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nuint address, nuint length, int advice);
}
