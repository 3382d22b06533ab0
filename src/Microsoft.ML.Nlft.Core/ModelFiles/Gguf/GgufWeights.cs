namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The weights of a GGUF file by their names in a Hugging Face checkpoint.</summary>
internal sealed class GgufWeights : ITensorSource
{
    private readonly GgufModel _model;
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);

    /// <exception cref="NlftException">The file has a tensor that no model of its architecture has.</exception>
    public GgufWeights(GgufModel model)
    {
        _model = model;
        var architecture = GgufArchitecture.Of(model.Metadata);
        var keys = new GgufKeys(model, architecture.Name);
        var heads = keys.Required("attention.head_count");
        var keyHeads = keys.Integer("attention.head_count_kv") ?? heads;
        foreach (var (name, (file, entry)) in model.Tensors)
        {
            if (GgufRope.IsDivisors(name)) continue;
            if (architecture.HuggingFaceName(name) is not { } known) throw Unknown($"{file.Stored.Path}, tensor \"{name}\"");
            var paired = !architecture.HasRotaryPairs ? 0 : name.Contains(".attn_q.", StringComparison.Ordinal) ? heads
                : name.Contains(".attn_k.", StringComparison.Ordinal) ? keyHeads : 0;
            _tensors.Add(known, new GgufTensor(file, entry, known)
            {
                PairedHeads = paired > 0 && entry.Shape[0] % (2 * paired) == 0 ? paired : 0, // other shapes are refused when they are needed
                PlusOne = architecture.Model.NormKind == NormKind.RmsPlusOne && name.EndsWith("norm.weight", StringComparison.Ordinal),
            });
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
        "the weights of a dense decoder", "This kind of model is not supported: use another one.");
}
