namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Inputs of several files: a zip archive, of which the files with certain names are put into the folder.</summary>
internal static class Folders
{
    /// <summary>Puts the files of an archive into its folder; a file that the archive lacks is not there either.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="archive">The name of the archive in it.</param>
    /// <param name="names">The files that are put there.</param>
    /// <exception cref="NlftException">The archive is damaged: that is no input of the reader.</exception>
    public static void Unpack(string folder, string archive, params string[] names)
    {
        List<(string Name, byte[] Bytes)> files;
        try
        {
            files = ZipBytes.Read(File.ReadAllBytes(Path.Combine(folder, archive)));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new NlftException(archive, "a damaged archive", "an archive of files for the reader", "Take the next input.", e);
        }
        foreach (var name in names)
        {
            var path = Path.Combine(folder, name);
            File.Delete(path);
            if (files.FirstOrDefault(file => file.Name == name).Bytes is { } bytes) File.WriteAllBytes(path, bytes);
        }
    }
}
