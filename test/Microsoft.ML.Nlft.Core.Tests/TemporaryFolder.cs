using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>A folder for one test, with helpers that put files into it and read the message of a refusal.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Path = Directory.CreateTempSubdirectory("nlft-").FullName;

    public string Path { get; }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public string Write(string name, ReadOnlySpan<byte> bytes)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(File(name))!);
        System.IO.File.WriteAllBytes(File(name), bytes);
        return File(name);
    }

    /// <summary>The bytes of a safetensors file with that header and as many data bytes as asked for.</summary>
    public static byte[] Safetensors(string header, int dataBytes) => Safetensors(Encoding.UTF8.GetBytes(header), dataBytes);

    public static byte[] Safetensors(byte[] header, int dataBytes)
    {
        var bytes = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)header.Length);
        header.CopyTo(bytes, 8);
        return bytes;
    }

    /// <summary>The message with which an action refuses its input, without the folder's path.</summary>
    public string Refusal(Action action) =>
        Assert.ThrowsExactly<NlftException>(action).Message.Replace(Path + System.IO.Path.DirectorySeparatorChar, "").Replace(Path, "FOLDER");

    /// <summary>Names of all files below the folder, temporary ones included.</summary>
    public string[] Files() =>
        [.. Directory.GetFiles(Path, "*", SearchOption.AllDirectories).Select(file =>
        System.IO.Path.GetRelativePath(Path, file)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
