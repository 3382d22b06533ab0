using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.TorchSharp.Runtime;

/// <summary>
/// Lets the native library of TorchSharp load with a libstdc++ older than that of GCC 13, as on Debian 12 and Ubuntu 22.04. The published binary
/// requires the version GLIBCXX_3.4.32 for a symbol that it never calls (ios_base_library_init, a marker from the iostream header of GCC 13). A copy
/// in which this requirement is weak loads and runs. On other systems this does nothing.
/// </summary>
internal static class OlderStandardLibrary
{
    private const string Requirement = "GLIBCXX_3.4.32";
    private const ushort Weak = 2; // VER_FLG_WEAK

    /// <summary>Loads a copy of the library that does not insist on the version; the loader then finds the copy by the library's name.</summary>
    /// <param name="library">The path of the library.</param>
    /// <returns>Whether it loaded.</returns>
    public static bool TryLoad(string library)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return false;
        // The copy lies elsewhere, where it would not find what it needs.
        if (!NativeLibrary.TryLoad(Path.Combine(Path.GetDirectoryName(library)!, "libtorch.so"), out _)) return false;
        var bytes = File.ReadAllBytes(library);
        if (!Weaken(bytes)) return false;
        var folder = Directory.CreateTempSubdirectory("nlft-");
        try
        {
            var copy = Path.Combine(folder.FullName, Path.GetFileName(library));
            File.WriteAllBytes(copy, bytes);
            return NativeLibrary.TryLoad(copy, out _);
        }
        finally
        {
            folder.Delete(recursive: true); // mapped files stay mapped
        }
    }

    /// <summary>Sets the weak flag in the table of required versions (DT_VERNEED; System V gABI and LSB, section "Symbol Versioning").</summary>
    internal static bool Weaken(Span<byte> elf)
    {
        var (segments, dynamic) = ProgramHeaders(elf);
        var tags = new Dictionary<ulong, ulong>();
        for (var at = dynamic.Offset; at < dynamic.Offset + dynamic.Size; at += 16) tags.TryAdd(U64(elf, at), U64(elf, at + 8));
        if (!tags.TryGetValue(0x6ffffffe, out var needs) || !tags.TryGetValue(5, out var strings)) return false;
        var (need, text) = (FileOffset(needs), FileOffset(strings));
        for (var i = 0UL; i < tags[0x6fffffff]; i++)
        {
            var entry = need + (int)U32(elf, need + 8);
            for (var n = U16(elf, need + 2); n > 0; n--)
            {
                var name = elf[(text + (int)U32(elf, entry + 8))..];
                if (Encoding.ASCII.GetString(name[..name.IndexOf((byte)0)]) == Requirement)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(elf[(entry + 4)..], (ushort)(U16(elf, entry + 4) | Weak));
                    return true;
                }
                entry += (int)U32(elf, entry + 12);
            }
            need += (int)U32(elf, need + 12);
        }
        return false;

        int FileOffset(ulong address) => segments.Where(s => s.Address <= address && address < s.Address + (ulong)s.Size)
            .Select(s => s.Offset + (int)(address - s.Address)).First();
    }

    private static (List<(ulong Address, int Offset, int Size)> Segments, (int Offset, int Size) Dynamic) ProgramHeaders(ReadOnlySpan<byte> elf)
    {
        var segments = new List<(ulong, int, int)>();
        (int, int) dynamic = default;
        var (at, size, count) = ((int)U64(elf, 32), U16(elf, 54), U16(elf, 56));
        for (var i = 0; i < count; i++, at += size)
        {
            var (offset, length) = ((int)U64(elf, at + 8), (int)U64(elf, at + 32));
            if (U32(elf, at) == 1) segments.Add((U64(elf, at + 16), offset, length)); // PT_LOAD
            if (U32(elf, at) == 2) dynamic = (offset, length); // PT_DYNAMIC
        }
        return (segments, dynamic);
    }

    private static ushort U16(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt16LittleEndian(elf[at..]);

    private static uint U32(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt32LittleEndian(elf[at..]);

    private static ulong U64(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt64LittleEndian(elf[at..]);
}
