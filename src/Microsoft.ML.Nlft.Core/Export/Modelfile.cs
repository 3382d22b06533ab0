using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Export;

/// <summary>
/// The Modelfile of Ollama beside a GGUF file: where the weights are and which texts end an answer. Prompts are left to the chat template in the
/// file.
/// </summary>
internal static class Modelfile
{
    public const string Name = "Modelfile";

    private const string Mark = "# Written by Microsoft.ML.Nlft.";

    /// <summary>Returns whether there is no such file yet, or one of this library.</summary>
    public static bool MayReplace(string path)
    {
        if (FilePresence.Fault(path) == FilePresence.Nothing) return true;
        using var file = InputFile.Open(path, "a Modelfile of Ollama");
        var start = new byte[Mark.Length];
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && Encoding.UTF8.GetString(start) == Mark;
    }

    /// <summary>Returns the contents.</summary>
    /// <param name="model">The GGUF file, in the same folder.</param>
    /// <param name="stops">Texts that end an answer.</param>
    public static string Text(string model, IEnumerable<string> stops)
    {
        var text = new StringBuilder($"{Mark}\nFROM ./{Path.GetFileName(model)}\n");
        foreach (var stop in stops.Where(stop => !stop.Contains('"', StringComparison.Ordinal))) text.Append($"PARAMETER stop \"{stop}\"\n");
        return text.ToString();
    }
}
