namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Writes files atomically: under a temporary name beside the target, then renamed over it; the rename is written through to the disk. Replaces
/// regular files and links to files only, and keeps their permissions: a pipe or a device is refused, because a rename would put a file in its place.
/// </summary>
public static class AtomicFile
{
    /// <summary>Writes one file; its folder is created.</summary>
    /// <param name="path">The file. One that is there is replaced.</param>
    /// <param name="write">Writes the contents to the stream that it is given, which it need not flush or close.</param>
    /// <exception cref="NlftException">
    /// The disk is full, the folder cannot be written, the path is taken by something other than a regular file, or <paramref name="write"/> threw
    /// it; what is there is unchanged.
    /// </exception>
    public static void Write(string path, Action<Stream> write) => WriteAll((path, write));

    /// <summary>
    /// Writes several files that belong together: none is renamed before all are written, and if one cannot be renamed, those before it are put back
    /// where the file system can exchange names (Linux). Creates missing folders. A loss of power between two renames can leave some of the files new
    /// and others old, each of them whole.
    /// </summary>
    /// <param name="files">One file or more, each with the action that writes its contents.</param>
    /// <exception cref="NlftException">As with <see cref="Write"/>.</exception>
    public static void WriteAll(params (string Path, Action<Stream> Write)[] files)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Length == 0) return;
        var staged = new List<StagedFile>();
        var current = files[0].Path;
        try
        {
            foreach (var (path, write) in files)
            {
                OutputFile.Require(current = path);
                staged.Add(new(path));
                staged[^1].Write(write);
            }
            foreach (var file in staged)
            {
                OutputFile.Require(current = file.Place); // writing takes long: another process may have taken the path meanwhile
                file.Publish(keepsOld: file != staged[^1]);
            }
        }
        catch (Exception e)
        {
            foreach (var file in Enumerable.Reverse(staged)) file.Withdraw();
            if (WriteFault.Of(current, e) is { } fault) throw fault;
            throw;
        }
        WriteFault.InPlace(current,
        [
            .. staged.Select(file => (Action)file.DeleteOld),
            .. staged.Select(file => file.Folder).Distinct().Select(folder => (Action)(() => PosixFile.SyncFolder(folder))),
        ]);
    }

    /// <summary>Creates a folder and checks that files can be written there.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="NlftException">The folder cannot be created or written.</exception>
    public static void TryFolder(string folder)
    {
        var trial = Path.Combine(folder, $".trial.{Path.GetRandomFileName()}");
        try
        {
            PosixFile.CreateFolder(folder);
            File.WriteAllBytes(trial, [0]);
            File.Delete(trial);
        }
        catch (Exception e) when (WriteFault.Of(folder, e) is { } fault)
        {
            WriteFault.Ignore(() => File.Delete(trial));
            throw fault;
        }
    }
}
