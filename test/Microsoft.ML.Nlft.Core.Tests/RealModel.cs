using System.Text.Json;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>A real chat model in a GGUF file (Q4_1), which may be missing, and what transformers computes with it.</summary>
internal static class RealModel
{
    /// <summary>The name of the model's folder among the golden files.</summary>
    public const string Name = "smollm2";

    /// <summary>The path of the file.</summary>
    public static string Path { get; } = Fixtures.Path_("models", "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf");

    /// <summary>Reads a file of the golden folder; skips the test without the model.</summary>
    public static JsonDocument Expected(string file)
    {
        if (!File.Exists(Path)) Assert.Inconclusive($"skipped: no {Path}");
        return Fixtures.Json("golden", Name, file);
    }
}
