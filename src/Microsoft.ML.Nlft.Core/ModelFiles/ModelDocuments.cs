using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// The small files that describe a model, by their names in a Hugging Face folder: those of a folder, or those that the metadata of a GGUF file
/// stands for.
/// </summary>
internal abstract class ModelDocuments : IDisposable
{
    public const string Configuration = "config.json";
    public const string Generation = "generation_config.json";
    public const string Tokenizer = "tokenizer.json";
    public const string TokenizerConfiguration = "tokenizer_config.json";
    public const string SpecialTokens = "special_tokens_map.json";

    /// <summary>Opens the documents of a folder or a GGUF file.</summary>
    /// <exception cref="NlftException">The GGUF file is damaged or of a kind that is not read.</exception>
    public static ModelDocuments Of(string path) => GgufFile.IsAt(path) ? new GgufDocuments(GgufModel.Open(path)) : new FolderDocuments(path);

    /// <summary>The folder or file.</summary>
    public abstract string Path { get; }

    /// <summary>Documents that a copy of the model needs, besides config.json and weights, as paths relative to its folder.</summary>
    public abstract IEnumerable<string> Companions { get; }

    /// <summary>Reads a document; null when there is none.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="whatItIs">What it is, for messages; default: its name, of a model.</param>
    /// <exception cref="NlftException">It cannot be read, or is not a JSON object.</exception>
    public abstract JsonPlace? Json(string name, string? whatItIs = null);

    /// <summary>Writes a document to a stream.</summary>
    public abstract void Write(string name, Stream stream);

    /// <inheritdoc/>
    public virtual void Dispose() { }
}

/// <summary>The files of a folder.</summary>
internal sealed class FolderDocuments(string folder) : ModelDocuments
{
    private static readonly string[] s_weightExtensions = [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ot"];

    public override string Path => folder;

    public override IEnumerable<string> Companions
    {
        get
        {
            var templates = System.IO.Path.Combine(folder, ModelFolderWriter.AdditionalTemplates);
            return Directory.EnumerateFiles(folder).Where(IsCompanion)
                .Concat(Directory.Exists(templates) ? Directory.EnumerateFiles(templates, "*.jinja") : [])
                .Select(file => System.IO.Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal);
        }
    }

    public override JsonPlace? Json(string name, string? whatItIs = null)
    {
        var path = System.IO.Path.Combine(folder, name);
        return FilePresence.Fault(path) == FilePresence.Nothing ? null : JsonFile.Load(new(path, whatItIs ?? $"{name} of a model"));
    }

    public override void Write(string name, Stream stream)
    {
        using var original = InputFile.Open(System.IO.Path.Combine(folder, name), "a file of the model");
        original.CopyTo(stream);
    }

    private static bool IsCompanion(string file) =>
        // With an adapter_config.json beside the weights, transformers would apply that adapter to them.
        System.IO.Path.GetFileName(file) is not (Configuration or ModelWeights.IndexFile or LoraAdapterFolder.ConfigurationFile)
        && !s_weightExtensions.Contains(System.IO.Path.GetExtension(file)) && !System.IO.Path.GetFileName(file).StartsWith('.')
        && !file.EndsWith(".index.json", StringComparison.Ordinal);
}
