namespace Microsoft.ML.Nlft.Models;

/// <summary>Files that appear whole or not at all: written beside their place under a temporary name, then renamed over it.</summary>
internal static class AtomicFile
{
    /// <summary>Writes one file.</summary>
    public static void Write(string path, Action<Stream> write) => WriteAll((path, write));

    /// <summary>Writes files that belong together: none is renamed before all are written. Folders are created.</summary>
    public static void WriteAll(params (string Path, Action<Stream> Write)[] files)
    {
        var staged = new List<(string Temporary, string Path)>();
        try
        {
            foreach (var (path, write) in files)
            {
                var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
                Directory.CreateDirectory(folder);
                var temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Path.GetRandomFileName()}");
                staged.Add((temporary, path));
                using var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            foreach (var (temporary, path) in staged) File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            foreach (var (temporary, _) in staged) File.Delete(temporary);
            throw;
        }
    }
}
