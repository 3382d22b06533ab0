using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Export;

/// <summary>How a model is written as a GGUF file.</summary>
public sealed record GgufExportOptions
{
    /// <summary>
    /// Type of the matrices: F32, F16 (default), BF16, Q8_0, Q6_K, Q4_K or Q4_0. Norms, biases, routers and embeddings of positions are always F32;
    /// the embedding and the output layer are Q6_K with Q4_K, Q8_0 with Q4_0. A matrix whose rows are not a multiple of 256 is Q8_0 instead of Q4_K
    /// or Q6_K, one whose rows are not a multiple of 32 is F16.
    /// </summary>
    public GgufType Type { get; init; } = GgufType.F16;

    /// <summary>The model's name in the file (general.name); null (default): the file's own name without its extension.</summary>
    public string? Name { get; init; }

    /// <summary>
    /// Whether a Modelfile for Ollama is written beside the file. Default true. A Modelfile that this library did not write is kept.
    /// </summary>
    public bool Modelfile { get; init; } = true;

    /// <summary>Whether a file that exists is replaced. Default false.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Refuses the first option that is not valid.</summary>
    /// <exception cref="NlftException"><see cref="Type"/> is none that is written, or <see cref="Name"/> is blank.</exception>
    public void Validate()
    {
        OptionCheck.Require(GgufEncoding.IsWritten(Type), nameof(Type), Type, GgufEncoding.Names,
            "Choose one of these; llama.cpp's llama-quantize makes the other types from a file of type F32, F16 or BF16.");
        OptionCheck.Require(Name is null || !string.IsNullOrWhiteSpace(Name), nameof(Name), Name, "a name, or null", "Name the model.");
    }
}
