using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The weight files of a model folder: model.safetensors, or the shards that model.safetensors.index.json names.</summary>
internal sealed class ModelWeights : ITensorSource
{
    public const string SingleFile = "model.safetensors";
    public const string IndexFile = "model.safetensors.index.json";

    private const string DownloadAgain = "Download the model's files again.";

    private readonly string _folder;
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, SafetensorsFile> _byTensor = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal), _tensors = new(StringComparer.Ordinal); // given names, and back
    private Dictionary<string, string>? _index; // the file of every tensor, as the index says

    private ModelWeights(string folder) => _folder = folder;

    /// <summary>The weight files by name.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _files;

    /// <summary>Whether the files are the shards of an index.</summary>
    public bool IsSharded => _index is not null;

    /// <inheritdoc/>
    public IEnumerable<(ReadOnlyMemory<byte> Header, long Length)> Headers => _files.Select(file => (file.HeaderJson, file.Length));

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => _byTensor.Keys;

    /// <summary>Whether the files hold a tensor of that name.</summary>
    public bool Contains(string name) => _byTensor.ContainsKey(Stored(name));

    /// <summary>Gives a tensor another name, by which it is found and read as well.</summary>
    public void AddName(string name, string tensor) => (_names[name], _tensors[tensor]) = (tensor, name);

    /// <summary>Returns the name that was given to a tensor of the files by <see cref="AddName"/>, or its own.</summary>
    public string NameOf(string tensor) => _tensors.GetValueOrDefault(tensor, tensor);

    public static ModelWeights Open(string folder)
    {
        var weights = new ModelWeights(folder);
        try
        {
            if (IsThere(SingleFile)) weights.Add(SafetensorsFile.Open(Path.Combine(folder, SingleFile)));
            else if (IsThere(IndexFile)) weights.OpenShards(Path.Combine(folder, IndexFile));
            else throw NoWeights(folder);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }

        bool IsThere(string name) => FilePresence.Fault(Path.Combine(folder, name)) != FilePresence.Nothing;
    }

    /// <summary>
    /// Checks that a tensor exists with that shape and a float type, in the file that the index names. Other tensors are not
    /// checked: an index may name more tensors than there are, and a file may hold more than the index names.
    /// </summary>
    public void Require(string name, ReadOnlySpan<long> shape)
    {
        name = Stored(name);
        var shard = _index?.GetValueOrDefault(name);
        if (!_byTensor.TryGetValue(name, out var file))
        {
            if (shard is not null)
            {
                throw new NlftException($"{Path.Combine(_folder, shard)}, tensor \"{name}\"", "no such tensor",
                    $"the tensor, as {IndexFile} places it there", DownloadAgain);
            }
            throw new NlftException($"{_folder}, tensor \"{name}\"", "no such tensor",
                $"one of shape {TensorTypes.Text(shape)} in the weight files", name is "lm_head.weight" or "embed_out.weight"
                ? "Set tie_word_embeddings to true in config.json if the model shares its embedding matrix, else download its files again."
                : "Check that config.json belongs to the weights, or download the model's files again.");
        }
        if (_index is not null && shard != Path.GetFileName(file.Path))
        {
            throw new NlftException($"{file.Path}, tensor \"{name}\"",
                shard is null ? $"a tensor that {IndexFile} does not name" : $"a tensor that {IndexFile} places in {shard}",
                "shards as the index names them", DownloadAgain);
        }
        var entry = file.Entry(name);
        if (!shape.SequenceEqual(entry.Shape))
        {
            throw new NlftException($"{file.Path}, tensor \"{name}\"", $"shape {TensorTypes.Text(entry.Shape)}", TensorTypes.Text(shape),
                "Check that config.json belongs to the weights.");
        }
        if (!entry.Type.IsSupportedFloat())
        {
            throw new NlftException($"{file.Path}, tensor \"{name}\"", $"element type {entry.Type.FileName()}", "F32, F16, BF16 or F64",
                "Use the model's unquantised weights.");
        }
    }

    /// <inheritdoc/>
    public StoredTensor Tensor(string name) => _byTensor.TryGetValue(Stored(name), out var file) ? file.Stored(Stored(name))
        : throw new NlftException($"{_folder}, tensor \"{name}\"", "no such tensor", "one of the model's tensors", DownloadAgain);

    public void Dispose() => _files.ForEach(file => file.Dispose());

    private string Stored(string name) => _names.GetValueOrDefault(name, name);

    /// <summary>Adds a file; of two files with a tensor of the same name, the one that the index names has it.</summary>
    private void Add(SafetensorsFile file)
    {
        _files.Add(file);
        foreach (var entry in file.Entries)
        {
            if (_index?.GetValueOrDefault(entry.Name) == Path.GetFileName(file.Path)) _byTensor[entry.Name] = file;
            else _byTensor.TryAdd(entry.Name, file);
        }
    }

    /// <summary>Opens every file that the index names. total_size is not checked.</summary>
    private void OpenShards(string indexPath)
    {
        _index = ReadWeightMap(indexPath);
        foreach (var shard in _index.Values.Distinct().Order(StringComparer.Ordinal))
        {
            var path = Path.Combine(_folder, shard);
            if (FilePresence.Fault(path) is { } fault)
            {
                throw new NlftException(path, fault, $"a shard that {IndexFile} names for {_index.Values.Count(name => name == shard)} tensors",
                    DownloadAgain);
            }
            Add(SafetensorsFile.Open(path));
        }
    }

    private static Dictionary<string, string> ReadWeightMap(string indexPath)
    {
        var index = JsonFile.Load(new(indexPath, "index of a sharded model"));
        if (index["weight_map"].IsNull) throw index["weight_map"].Refuse("an object of tensor and file names", DownloadAgain);
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (tensor, value) in index["weight_map"].Members())
        {
            var shard = value.StringOrNull() ?? throw value.Refuse("a file name", DownloadAgain);
            if (shard.AsSpan().ContainsAny("/\\:\0") || shard is "" or "." or "..")
            {
                throw value.Refuse("the name of a file in the folder itself, without a path",
                    "Put the shards into the model's folder and name them without a path.");
            }
            map.Add(tensor, shard);
        }
        return map.Count > 0 ? map : throw index["weight_map"].Refuse("at least one tensor", DownloadAgain);
    }

    private static NlftException NoWeights(string folder)
    {
        var other = Directory.EnumerateFiles(folder).Select(Path.GetFileName)
            .Where(name => Path.GetExtension(name) is ".bin" or ".pt" or ".pth" or ".gguf" or ".h5" or ".msgpack")
            .Order(StringComparer.Ordinal).FirstOrDefault();
        return other is null
            ? new NlftException(folder, "no weights", $"{SingleFile} or {IndexFile}",
                "Name the folder that holds the model's weights, or download them.")
            : new NlftException(Path.Combine(folder, other), "weights in another format", $"{SingleFile} or {IndexFile}",
                Path.GetExtension(other) == GgufFile.Extension ? "Name the GGUF file itself, or download the safetensors files."
                    : "Download the safetensors files, or convert: in Python, "
                    + "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True).");
    }
}
