using System.Security.Cryptography;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A model folder in Hugging Face layout, opened for reading: configuration, weights (read on demand) and the paths of its other files.
/// </summary>
public sealed class ModelFolder : IDisposable
{
    private readonly ModelWeights _weights;
    private readonly Lazy<string> _fingerprint, _weightFingerprint;

    private ModelFolder(string path, byte[] configurationJson, ModelConfiguration configuration, ModelWeights weights)
    {
        (Path, ConfigurationJson, Configuration, _weights) = (path, configurationJson, configuration, weights);
        GenerationDefaults = GenerationDefaults.Load(System.IO.Path.Combine(path, "generation_config.json"));
        EndOfSequenceIds = GenerationDefaults?.EndOfSequenceIds ?? configuration.EndOfSequenceIds;
        _fingerprint = new Lazy<string>(ComputeFingerprint);
        _weightFingerprint = new Lazy<string>(ComputeWeightFingerprint);
    }

    /// <summary>
    /// Opens a folder: reads config.json and generation_config.json and the header of model.safetensors or of the shards of
    /// model.safetensors.index.json, and checks that every weight is there.
    /// </summary>
    /// <exception cref="NlftException">A file is missing, damaged or in another format, or a weight is missing or has the wrong shape.</exception>
    public static ModelFolder Open(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        if (!Directory.Exists(path))
        {
            throw new NlftException(path, "no such folder", "a folder with config.json, model.safetensors and tokenizer.json",
                "Check the path, or download the model there.");
        }
        var configurationPath = System.IO.Path.Combine(path, "config.json");
        if (FilePresence.Fault(configurationPath) is { } fault)
        {
            if (fault == FilePresence.Nothing && File.Exists(System.IO.Path.Combine(path, LoraAdapterFolder.ConfigurationFile)))
            {
                throw new NlftException(path, "an adapter: adapter_config.json without config.json", "the folder of a model",
                    "Name the adapter's base model here, and the adapter beside it "
                    + "(LocalModelOptions.Adapter; nlft: --model MODEL --adapter FOLDER).");
            }
            throw new NlftException(configurationPath, fault, ModelConfigurationReader.WhatItIs, fault == FilePresence.Nothing
                ? "Name the folder that holds the model's files." : "Download the model's files again.");
        }
        var json = File.ReadAllBytes(configurationPath);
        json = json[JsonFile.MarkLength(json, configurationPath)..];
        var configuration = ModelConfigurationReader.Read(JsonFile.Parse(json, new(configurationPath, ModelConfigurationReader.WhatItIs)));
        var weights = ModelWeights.Open(path);
        try
        {
            var tied = configuration.TieWordEmbeddings;
            AddNamesWithoutPrefix(configuration, weights);
            configuration = TiedEmbedding.Resolve(configuration, weights);
            foreach (var weight in ModelLayout.Weights(configuration)) weights.Require(weight.Name, weight.Shape);
            if (configuration.TieWordEmbeddings != tied) json = ConfigurationEdit.WithTiedEmbeddings(json, configuration.TieWordEmbeddings);
            return new ModelFolder(path, json, configuration, weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Finds tensors that a file holds without the name of the decoder in front, as the first files of gpt2 do (wte.weight for transformer.wte.weight).
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

    /// <summary>Full path of the folder.</summary>
    public string Path { get; }

    /// <summary>Whether a path names this folder, directly or through links.</summary>
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
    /// SHA-256 over config.json and the header and length of every weight file, as lower-case hex: a cheap way to tell base models apart.
    /// </summary>
    public string Fingerprint => _fingerprint.Value;

    /// <summary>
    /// SHA-256 over <see cref="Fingerprint"/> and a sample of every weight (its first and middle 4 KiB), as lower-case hex: for a few reads per
    /// weight, it also distinguishes models that differ only by training. Checkpoints contain it.
    /// </summary>
    public string WeightFingerprint => _weightFingerprint.Value;

    /// <summary>Names of all tensors.</summary>
    public IReadOnlyCollection<string> TensorNames => _weights.Names;

    /// <summary>The bytes of config.json without a byte order mark, corrected where it says tied and the weights are not.</summary>
    internal byte[] ConfigurationJson { get; }

    /// <summary>The weight files.</summary>
    internal IReadOnlyList<SafetensorsFile> WeightFiles => _weights.Files;

    /// <summary>Bytes of the architecture's weights in the files.</summary>
    internal long WeightBytes => ModelLayout.Weights(Configuration).Sum(weight => _weights.BytesOf(weight.Name));

    /// <summary>Whether model.safetensors.index.json says which file holds which weight.</summary>
    internal bool IsSharded => _weights.IsSharded;

    /// <summary>Returns the tensor of that name and shape.</summary>
    /// <exception cref="NlftException">The tensor is missing, has another shape, or is not of a float type.</exception>
    public TensorData Tensor(string name, params long[] shape)
    {
        _weights.Require(name, shape);
        return _weights.Read(name);
    }

    /// <summary>Returns a reader of the rows of the matrix of that name and shape.</summary>
    /// <exception cref="NlftException">As for <see cref="Tensor"/>.</exception>
    internal TensorRows ReadRows(string name, int rows, int columns)
    {
        _weights.Require(name, [rows, columns]);
        return _weights.ReadRows(name, columns);
    }

    /// <summary>Returns a tensor as stored, of any shape and type.</summary>
    internal TensorData RawTensor(string name) => _weights.Read(name);

    /// <summary>Returns the weight that a tensor of the files holds: the embedding, if it is the output layer of a tied model.</summary>
    internal string WeightOf(string tensor) =>
        Configuration.TieWordEmbeddings && tensor == ModelLayout.Head(Configuration).Name ? ModelLayout.Embedding(Configuration).Name
        : _weights.NameOf(tensor);

    /// <inheritdoc/>
    public void Dispose() => _weights.Dispose();

    private string ComputeFingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(ConfigurationJson);
        foreach (var file in _weights.Files)
        {
            Append(file.HeaderJson.Span);
            hash.AppendData(BitConverter.GetBytes(file.Length));
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
            hash.AppendData(_weights.Sample(name, Sample, middle: false));
            hash.AppendData(_weights.Sample(name, Sample, middle: true));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
