using System.Security.Cryptography;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A model folder in Hugging Face layout or a GGUF file, opened for reading: configuration, weights (read on demand) and what describes its
/// tokenizer.
/// </summary>
public sealed class ModelFolder : IDisposable
{
    private readonly ITensorSource _weights;
    private readonly Lazy<string> _fingerprint, _weightFingerprint;

    private ModelFolder(ModelDocuments documents, byte[] configurationJson, ModelConfiguration configuration, ITensorSource weights)
    {
        (Documents, ConfigurationJson, Configuration, _weights) = (documents, configurationJson, configuration, weights);
        GenerationDefaults = documents.Json(ModelDocuments.Generation) is { } keys ? GenerationDefaults.Read(keys) : null;
        EndOfSequenceIds = GenerationDefaults?.EndOfSequenceIds ?? configuration.EndOfSequenceIds;
        _fingerprint = new Lazy<string>(ComputeFingerprint);
        _weightFingerprint = new Lazy<string>(ComputeWeightFingerprint);
    }

    /// <summary>
    /// Opens a model and checks that every weight is there. Of a folder it reads config.json, generation_config.json and the header of
    /// model.safetensors or of the shards of model.safetensors.index.json; of a GGUF file, and of the parts that it is split into, the metadata.
    /// </summary>
    /// <param name="path">A model folder in Hugging Face layout, or a GGUF file (the first one of a split model).</param>
    /// <exception cref="NlftException">A file is missing, damaged or in another format, or a weight is missing or has the wrong shape.</exception>
    public static ModelFolder Open(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        return GgufFile.IsAt(path) ? OpenGguf(path) : OpenFolder(path);
    }

    private static ModelFolder OpenFolder(string path)
    {
        if (!Directory.Exists(path))
        {
            throw File.Exists(path)
                ? new NlftException(path, "a file", "a model folder in Hugging Face layout, or a GGUF file",
                    "Name the folder that holds the model's files.")
                : new NlftException(path, "no such folder", "a folder with config.json, model.safetensors and tokenizer.json",
                    "Check the path, or download the model there.");
        }
        var configurationPath = System.IO.Path.Combine(path, ModelDocuments.Configuration);
        if (FilePresence.Fault(configurationPath) is { } fault)
        {
            if (fault == FilePresence.Nothing && File.Exists(System.IO.Path.Combine(path, LoraAdapterFolder.ConfigurationFile)))
            {
                throw new NlftException(path, "an adapter: adapter_config.json without config.json", "the folder of a model",
                    "Name the adapter's base model here, and the adapter beside it "
                    + "(LocalModelOptions.Adapter; nlft: --model MODEL --adapter FOLDER).");
            }
            if (fault == FilePresence.Nothing && GgufFile.FirstIn(path) is { } gguf)
            {
                throw new NlftException(path, $"a GGUF file, {gguf}, and no config.json", "the path of a GGUF file, or a folder with config.json",
                    "Name the file itself.");
            }
            throw new NlftException(configurationPath, fault, ModelConfigurationReader.WhatItIs, fault == FilePresence.Nothing
                ? "Name the folder that holds the model's files." : "Download the model's files again.");
        }
        var json = JsonFile.Read(configurationPath, ModelConfigurationReader.WhatItIs);
        json = json[JsonFile.MarkLength(json, configurationPath)..];
        var configuration = ModelConfigurationReader.Read(JsonFile.Parse(json, new(configurationPath, ModelConfigurationReader.WhatItIs)));
        var weights = ModelWeights.Open(path);
        try
        {
            var tied = configuration.TieWordEmbeddings;
            AddNamesWithoutPrefix(configuration, weights);
            configuration = TiedEmbedding.Resolve(configuration, weights);
            RequireWeights(configuration, weights);
            if (configuration.TieWordEmbeddings != tied) json = ConfigurationEdit.WithTiedEmbeddings(json, configuration.TieWordEmbeddings);
            return new ModelFolder(new FolderDocuments(path), json, configuration, weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private static ModelFolder OpenGguf(string path)
    {
        var model = GgufModel.Open(path);
        try
        {
            var (json, documents) = (GgufConfiguration.ToJson(model), new GgufDocuments(model));
            var configuration = ModelConfigurationReader.Read(documents.Json(ModelDocuments.Configuration, ModelConfigurationReader.WhatItIs)!.Value);
            var weights = new GgufWeights(model, configuration);
            RequireWeights(configuration, weights);
            weights.RequireNoOthers(ModelLayout.Weights(configuration));
            return new ModelFolder(documents, json, configuration, weights);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Finds tensors that a file holds without the name of the decoder in front, as the first files of gpt2 do (wte.weight for
    /// transformer.wte.weight).
    /// </summary>
    private static void AddNamesWithoutPrefix(ModelConfiguration configuration, ModelWeights weights)
    {
        var layout = ModelLayout.Weights(configuration);
        var prefix = layout[0].Name[..(layout[0].Name.IndexOf('.') + 1)];
        foreach (var name in layout.Select(weight => weight.Name).Where(name => name.StartsWith(prefix, StringComparison.Ordinal)))
        {
            if (!weights.Contains(name) && weights.Contains(name[prefix.Length..])) weights.AddName(name, name[prefix.Length..]);
        }
    }

    private static void RequireWeights(ModelConfiguration configuration, ITensorSource weights)
    {
        foreach (var weight in ModelLayout.Weights(configuration)) weights.Require(weight.Name, weight.Shape);
    }

    /// <summary>Full path of the folder or of the GGUF file.</summary>
    public string Path => Documents.Path;

    /// <summary>Whether a path names this folder or file, directly or through links.</summary>
    public bool IsAt(string path) => RealPath.Same(path, Path);

    /// <summary>
    /// The architecture, from config.json. Not tied if the weight files hold an output layer that differs from the embedding, even if config.json
    /// says otherwise.
    /// </summary>
    public ModelConfiguration Configuration { get; }

    /// <summary>The generation defaults, from generation_config.json; null without that file.</summary>
    public GenerationDefaults? GenerationDefaults { get; }

    /// <summary>The ids that end an answer: those of generation_config.json, or of config.json without that file; may be empty.</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; }

    /// <summary>
    /// SHA-256 over config.json and the header and length of every weight file, or over the metadata and length of every GGUF file, as lower-case
    /// hex: a cheap way to tell base models apart.
    /// </summary>
    public string Fingerprint => _fingerprint.Value;

    /// <summary>
    /// SHA-256 over <see cref="Fingerprint"/> and a sample of every weight (its first and middle 4 KiB), as lower-case hex: for a few reads per
    /// weight, it also distinguishes models that differ only by training. Checkpoints contain it.
    /// </summary>
    public string WeightFingerprint => _weightFingerprint.Value;

    /// <summary>Names of all tensors.</summary>
    public IReadOnlyCollection<string> TensorNames => _weights.Names;

    /// <summary>The small files that describe the model.</summary>
    internal ModelDocuments Documents { get; }

    /// <summary>The bytes of config.json without a byte order mark, corrected where it says tied and the weights are not.</summary>
    internal byte[] ConfigurationJson { get; }

    /// <summary>The safetensors files; null for a GGUF file.</summary>
    internal IReadOnlyList<SafetensorsFile>? WeightFiles => (_weights as ModelWeights)?.Files;

    /// <summary>Bytes of the architecture's weights as they are held.</summary>
    internal long WeightBytes => ModelLayout.Weights(Configuration).Sum(weight => _weights.Tensor(weight.Name).HeldLength);

    /// <summary>Whether model.safetensors.index.json says which file holds which weight.</summary>
    internal bool IsSharded => _weights is ModelWeights { IsSharded: true };

    /// <summary>Returns the tensor of that name and shape.</summary>
    /// <exception cref="NlftException">The tensor is missing, has another shape, or is not of a float type.</exception>
    public TensorData Tensor(string name, params long[] shape)
    {
        _weights.Require(name, shape);
        return _weights.Tensor(name).ToData();
    }

    /// <summary>Returns how a tensor is stored in its file.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <returns>
    /// The element type as the file spells it, for example BF16 or Q4_K; the size in the file; and the size in memory, where blocks have float32
    /// scales. Sizes are in bytes.
    /// </returns>
    /// <exception cref="NlftException">There is no such tensor.</exception>
    public (string Type, long Bytes, long Held) StoredAs(string name) =>
        _weights.Tensor(name) is var tensor ? (tensor.FileType, tensor.FileLength, tensor.HeldLength) : default;

    /// <summary>Returns a reader of the rows of the matrix of that name and shape.</summary>
    /// <exception cref="NlftException">As for <see cref="Tensor"/>.</exception>
    internal TensorRows ReadRows(string name, int rows, int columns)
    {
        _weights.Require(name, [rows, columns]);
        return new TensorRows(_weights.Tensor(name), columns);
    }

    /// <summary>Returns a tensor as stored, of any shape and type.</summary>
    internal TensorData RawTensor(string name) => Stored(name).ToData();

    /// <summary>Returns a tensor as stored, to be read in parts.</summary>
    internal StoredTensor Stored(string name) => _weights.Tensor(name);

    /// <summary>Returns the weight that a tensor of the files holds: the embedding, if it is the output layer of a tied model.</summary>
    internal string WeightOf(string tensor) =>
        Configuration.TieWordEmbeddings && tensor == ModelLayout.Head(Configuration).Name ? ModelLayout.Embedding(Configuration).Name
        : (_weights as ModelWeights)?.NameOf(tensor) ?? tensor;

    /// <inheritdoc/>
    public void Dispose()
    {
        _weights.Dispose();
        Documents.Dispose();
    }

    private string ComputeFingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (WeightFiles is not null) Append(ConfigurationJson); // that of a GGUF file is made from its header
        foreach (var (header, length) in _weights.Headers)
        {
            Append(header.Span);
            hash.AppendData(BitConverter.GetBytes(length));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Append(ReadOnlySpan<byte> bytes)
        {
            hash.AppendData(BitConverter.GetBytes((long)bytes.Length));
            hash.AppendData(bytes);
        }
    }

    private string ComputeWeightFingerprint()
    {
        const int Sample = 4096;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Convert.FromHexString(Fingerprint));
        foreach (var name in TensorNames.Order(StringComparer.Ordinal))
        {
            hash.AppendData(_weights.Tensor(name).Sample(Sample, middle: false));
            hash.AppendData(_weights.Tensor(name).Sample(Sample, middle: true));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
