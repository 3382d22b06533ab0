using Microsoft.ML.Nlft.Common;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A file of weights that is open for reading. It is not memory-mapped: a program that shortens a mapped file would crash this process, and one that
/// writes to it would change the weights in use. A file that was modified after it was opened is refused.
/// </summary>
internal sealed class StoredFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly DateTime _written;

    private StoredFile(string path, SafeFileHandle handle)
    {
        (Path, _handle) = (path, handle);
        _written = File.GetLastWriteTimeUtc(handle);
        Length = RandomAccess.GetLength(handle);
    }

    /// <summary>Opens a file.</summary>
    /// <param name="path">The path.</param>
    /// <param name="whatItIs">What the file should be, for messages, for example <c>a readable safetensors file</c>.</param>
    /// <exception cref="NlftException">There is no such file, or it cannot be opened.</exception>
    public static StoredFile Open(string path, string whatItIs)
    {
        var handle = InputFile.OpenHandle(path, whatItIs);
        try
        {
            return new StoredFile(path, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The path of the file.</summary>
    public string Path { get; }

    /// <summary>Size of the file in bytes.</summary>
    public long Length { get; }

    /// <summary>Reads bytes.</summary>
    /// <param name="position">Where in the file to begin.</param>
    /// <param name="bytes">Filled.</param>
    /// <param name="subject">What is read, for messages.</param>
    /// <exception cref="NlftException">The file cannot be read, or has been written to since it was opened.</exception>
    public void Read(long position, Span<byte> bytes, string subject)
    {
        RequireOpen();
        try
        {
            while (bytes.Length > 0)
            {
                var read = RandomAccess.Read(_handle, bytes, position);
                if (read == 0)
                {
                    throw Changed(subject,
                        $"a file that was shortened from {Length} to {RandomAccess.GetLength(_handle)} bytes after it was opened");
                }
                position += read;
                bytes = bytes[read..];
            }
        }
        catch (IOException exception)
        {
            throw Changed(subject, $"a file that cannot be read any more ({exception.Message})", exception);
        }
        if (File.GetLastWriteTimeUtc(_handle) != _written) throw Changed(subject, "a file that was written to after it was opened");
    }

    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public void RequireOpen() => ObjectDisposedException.ThrowIf(_handle.IsClosed, this);

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static NlftException Changed(string subject, string found, Exception? inner = null) =>
        new(subject, found, "the file as it was when it was opened", "Open it again once nothing else writes to it.", inner);
}
