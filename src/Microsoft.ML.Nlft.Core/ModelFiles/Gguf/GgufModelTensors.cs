namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// The weights of a model as the tensors of a GGUF file: base weights with an adapter's updates, in the file's order of rows, converted a few rows
/// at a time. Merged weights are computed in float32 and rounded once, to the file's type.
/// </summary>
/// <param name="model">The base model.</param>
/// <param name="architecture">How the file spells its architecture.</param>
/// <param name="type">The type of the matrices.</param>
/// <param name="cancellationToken">Observed between rows.</param>
internal sealed class GgufModelTensors(ModelFolder model, GgufArchitecture architecture, GgufType type, CancellationToken cancellationToken)
{
    private readonly ModelConfiguration _configuration = model.Configuration;

    /// <summary>The updates of an adapter by the names of their weights.</summary>
    public IReadOnlyDictionary<string, WeightUpdate> Updates { get; init; } = new Dictionary<string, WeightUpdate>();

    /// <summary>Trained weights that stand in for those of the model, by name.</summary>
    public IReadOnlyDictionary<string, float[]> Replaced { get; init; } = new Dictionary<string, float[]>();

    /// <summary>Returns the tensors in the order of the forward pass.</summary>
    public IEnumerable<GgufSource> Sources() =>
        ModelLayout.Weights(_configuration).Select(weight => weight.Shape.Length == 1 ? Vector(weight) : Matrix(weight));

    /// <summary>Norms and biases stay in float32, whatever the type.</summary>
    private GgufSource Vector(WeightShape weight) => new(architecture.FileName(weight.Name), GgufType.F32, weight.Shape, stream =>
    {
        var values = Replaced.GetValueOrDefault(weight.Name) ?? model.Tensor(weight.Name, weight.Shape).ToArray();
        Updates.GetValueOrDefault(weight.Name)?.Apply(0, values, []);
        if (_configuration.NormKind == NormKind.RmsPlusOne && weight.Name.EndsWith("norm.weight", StringComparison.Ordinal))
            values = Array.ConvertAll(values, value => value + 1);
        var size = HeadRows(weight);
        var ordered = values.Select((_, i) => values[RotaryOrder.Source(i, size)]).ToArray();
        GgufSource.From(weight.Name, weight.Shape, ordered).Write(stream);
    });

    private GgufSource Matrix(WeightShape weight)
    {
        var (rows, columns) = ((int)weight.Shape[0], (int)weight.Shape[1]);
        var name = architecture.FileName(weight.Name);
        var stored = GgufEncoding.Fitting(TypeOf(name), columns);
        return new(name, stored, weight.Shape, stream => Write(stream, weight, stored, rows, columns));
    }

    /// <summary>Four bits are too few for the rows of the embedding and of the output layer, which tokens read directly: they get eight.</summary>
    private GgufType TypeOf(string name) =>
        type == GgufType.Q4_0 && name is GgufArchitecture.Embedding or GgufArchitecture.Head ? GgufType.Q8_0 : type;

    private void Write(Stream stream, WeightShape weight, GgufType stored, int rows, int columns)
    {
        var (given, update) = (Replaced.GetValueOrDefault(weight.Name), Updates.GetValueOrDefault(weight.Name));
        var reader = given is null ? model.ReadRows(weight.Name, rows, columns) : null;
        var head = HeadRows(weight);
        var (values, change) = (new float[head * columns], new float[columns]); // the rows of a head change places, so a head is read as a whole
        var bytes = new byte[columns / stored.Block().Values * stored.Block().Bytes];
        for (var first = 0; first < rows; first += head)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var row = 0; row < head; row++) Read(first + row, values.AsSpan(row * columns, columns));
            for (var row = 0; row < head; row++)
            {
                var source = RotaryOrder.Source(row, head);
                var line = values.AsSpan(source * columns, columns);
                RequireRange(line, first + source);
                GgufEncoding.FromSingle(stored, line, bytes);
                stream.Write(bytes);
            }
        }

        void Read(int row, Span<float> line)
        {
            if (given is null) reader!.Read(row, line);
            else given.AsSpan(row * columns, columns).CopyTo(line);
            update?.Apply(row, line, change);
        }

        void RequireRange(ReadOnlySpan<float> line, int row)
        {
            var limit = GgufEncoding.Largest(stored);
            for (var column = 0; column < line.Length; column++)
            {
                if (Math.Abs(line[column]) <= limit) continue; // false for NaN
                throw new NlftException(
                    FormattableString.Invariant($"{model.Path}, tensor \"{weight.Name}\", row {row + 1}, column {column + 1}, as GGUF"),
                    FormattableString.Invariant($"{line[column]}"), $"a number that {stored} can hold",
                    float.IsFinite(line[column]) ? "Write a type of wider range: F32 or BF16." : "Use weights without infinities and NaN.");
            }
        }
    }

    /// <summary>Rows that change places among each other: those of a head of queries or keys; 1 where rows stay.</summary>
    private int HeadRows(WeightShape weight) => architecture.HasRotaryPairs && RotaryOrder.IsRotated(weight.Name) ? _configuration.HeadSize : 1;
}
