using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>A model in the list.</summary>
/// <param name="Name">The name that --model takes.</param>
/// <param name="Folder">Full path of the folder or the GGUF file.</param>
/// <param name="ModelType">model_type of config.json; "unknown" where it has none.</param>
/// <param name="Bytes">Bytes of the weight files.</param>
/// <param name="Reason">Why this library does not run it; null: it does.</param>
internal sealed record ListedModel(string Name, string Folder, string ModelType, long Bytes, string? Reason)
{
    /// <summary>Reads config.json and the headers of the weights.</summary>
    public static ListedModel Of(string name, string folder)
    {
        string[] kinds = ["*.safetensors", "*.bin", "*.gguf"];
        var bytes = File.Exists(folder) ? LengthOf(folder) : kinds.SelectMany(kind => Directory.EnumerateFiles(folder, kind)).Sum(LengthOf);
        try
        {
            using var model = ModelFolder.Open(folder);
            return new(name, folder, model.Configuration.ModelType, bytes, Reason: null);
        }
        catch (NlftException e)
        {
            var subject = e.Subject.Replace(folder + Path.DirectorySeparatorChar, "").Replace(folder, Path.GetFileName(folder));
            return new(name, folder, TypeOf(folder), bytes, $"does not run: {subject}: found {e.Found}");
        }
    }

    /// <summary>Returns the bytes of a file, which in the cache is a link; 0 when the link leads nowhere.</summary>
    private static long LengthOf(string file) =>
        File.ResolveLinkTarget(file, returnFinalTarget: true) is FileInfo target ? target.Exists ? target.Length : 0 : new FileInfo(file).Length;

    private static string TypeOf(string folder)
    {
        try
        {
            return File.Exists(folder) ? "unknown"
                : JsonFile.Load(new(Path.Combine(folder, "config.json")))["model_type"].StringOrNull() ?? "unknown";
        }
        catch (NlftException)
        {
            return "unknown";
        }
    }
}
