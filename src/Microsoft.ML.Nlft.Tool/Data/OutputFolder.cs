using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>The folder that a command writes a trained model to.</summary>
internal static class OutputFolder
{
    /// <summary>Refuses an unusable folder before training, not after it.</summary>
    /// <exception cref="NlftException">A file is there, or nothing can be written.</exception>
    public static void Require(string output)
    {
        if (File.Exists(output))
            throw new NlftException(output, "a file", "a folder, or a place for a new one", "Name another folder with --output.");
        var above = Path.GetFullPath(output);
        while (!Directory.Exists(above) && !File.Exists(above) && Path.GetDirectoryName(above) is { } parent) above = parent;
        AtomicFile.TryFolder(above);
    }

    /// <summary>Locks the folder for the process that writes, null for the others, and refuses one that is in use.</summary>
    /// <param name="console">The console of the process.</param>
    /// <param name="model">The open model.</param>
    /// <param name="output">The folder.</param>
    /// <param name="overwrites">Whether it may hold files.</param>
    /// <exception cref="NlftException">It is the base model's, or holds files, or another process writes to it.</exception>
    public static FolderLock? Lock(ToolConsole console, LocalModel model, string output, bool overwrites)
    {
        if (model.Folder.IsAt(output))
            throw new NlftException(output, "the folder of the base model", "another folder", "Name another folder with --output.");
        var place = console.Communicator.IsFirst ? FolderLock.Beside(output) : null;
        try
        {
            RequireEmpty(output, overwrites, "replace the model in it with --overwrite");
            return place;
        }
        catch
        {
            place?.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a folder that holds files.</summary>
    /// <param name="output">The folder.</param>
    /// <param name="overwrites">Whether it may hold files.</param>
    /// <param name="otherwise">What else to do than to name another folder, for the message.</param>
    /// <exception cref="NlftException">It holds files.</exception>
    public static void RequireEmpty(string output, bool overwrites, string otherwise)
    {
        if (overwrites || !Directory.Exists(output) || !Directory.EnumerateFileSystemEntries(output).Any()) return;
        throw new NlftException(output, "a folder that is not empty", "an empty folder, or a place for a new one",
            $"Name another folder with --output, or {otherwise}.");
    }
}
