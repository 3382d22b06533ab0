namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The weights of a GGUF file by their names in a Hugging Face checkpoint.</summary>
internal sealed class GgufWeights : ITensorSource
{
    private readonly GgufModel _model;
    private readonly Dictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);

    /// <param name="model">The file.</param>
    /// <param name="configuration">What its metadata say.</param>
    /// <exception cref="NlftException">The file has a tensor that no model of its architecture has.</exception>
    public GgufWeights(GgufModel model, ModelConfiguration configuration)
    {
        _model = model;
        var architecture = GgufArchitecture.Of(model.Metadata);
        foreach (var (name, (file, entry)) in model.Tensors)
        {
            if (GgufRope.IsDivisors(name)) continue;
            if (entry.Shape.Length == 3) AddExperts(file, entry);
            else Add(file, entry, architecture.HuggingFaceName(name));
        }

        void Add(GgufFile file, GgufEntry entry, string? known)
        {
            if (known is null) throw Unknown($"{file.Stored.Path}, tensor \"{entry.Name}\"");
            var tensor = new GgufTensor(file, entry, known)
            {
                Order = architecture.OrderOf(known, configuration),
                PlusOne = architecture.Model.NormKind == NormKind.RmsPlusOne && entry.Name.EndsWith("norm.weight", StringComparison.Ordinal),
            };
            _tensors.Add(known, architecture.IsTransposed(new(known, entry.Shape)) ? new TransposedTensor(tensor) : tensor);
        }

        // A stack of the matrices of all experts of a layer, one after the other.
        void AddExperts(GgufFile file, GgufEntry entry)
        {
            var (count, length) = (entry.Shape[0], (entry.End - entry.Begin) / entry.Shape[0]);
            if (configuration.Experts is { } experts && experts.Count != count)
            {
                throw new NlftException($"{file.Stored.Path}, tensor \"{entry.Name}\"", $"shape {TensorTypes.Text(entry.Shape)}",
                    $"the matrices of {experts.Count} experts", "Use a file whose metadata belong to its tensors.");
            }
            for (var i = 0; i < count; i++)
            {
                var begin = entry.Begin + i * length;
                Add(file, entry with { Shape = entry.Shape[1..], Begin = begin, End = begin + length },
                    configuration.Experts is null ? null : architecture.HuggingFaceName(entry.Name, i));
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <inheritdoc/>
    public IEnumerable<(ReadOnlyMemory<byte> Header, long Length)> Headers =>
        _model.Parts.Select(part => ((ReadOnlyMemory<byte>)part.ReadHeader(), part.Stored.Length));

    /// <inheritdoc/>
    public void Require(string name, ReadOnlySpan<long> shape)
    {
        if (!_tensors.TryGetValue(name, out var tensor))
        {
            throw new NlftException($"{_model.Path}, tensor \"{name}\"", "no such tensor", $"one of shape {TensorTypes.Text(shape)}",
                "Use the file of a whole model of that architecture.");
        }
        if (!shape.SequenceEqual(tensor.Shape))
        {
            throw new NlftException(tensor.Place, $"shape {TensorTypes.Text(tensor.Shape)}", $"{TensorTypes.Text(shape)} for {name}",
                "Use a file whose metadata belong to its tensors.");
        }
    }

    /// <summary>Refuses a tensor besides those: what it adds to the model would be left out.</summary>
    public void RequireNoOthers(IEnumerable<WeightShape> weights)
    {
        if (_tensors.Keys.Except(weights.Select(weight => weight.Name)).FirstOrDefault() is { } other) throw Unknown(_tensors[other].Place);
    }

    /// <inheritdoc/>
    public StoredTensor Tensor(string name) => _tensors.TryGetValue(name, out var tensor) ? tensor
        : throw new NlftException($"{_model.Path}, tensor \"{name}\"", "no such tensor", "one of the model's tensors",
            "Use the file of a whole model.");

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private static NlftException Unknown(string place) => new(place, "a tensor that its architecture does not have here",
        "the weights of such a decoder", "This kind of model is not supported: use another one.");
}
