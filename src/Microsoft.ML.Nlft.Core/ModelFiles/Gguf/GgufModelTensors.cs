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

    /// <summary>Returns the tensors in the order of the forward pass. The experts of a layer are one tensor, a stack of matrices.</summary>
    public IEnumerable<GgufSource> Sources() => ModelLayout.Weights(_configuration).GroupBy(weight => architecture.FileName(weight.Name))
        .Select(weights => weights.First().Shape.Length == 1 ? Vector(weights.Key, weights.Single()) : Matrices(weights.Key, [.. weights]));

    /// <summary>Norms and biases stay in float32, whatever the type.</summary>
    private GgufSource Vector(string name, WeightShape weight) => new(name, GgufType.F32, weight.Shape, stream =>
    {
        var values = Replaced.GetValueOrDefault(weight.Name) ?? model.Tensor(weight.Name, weight.Shape).ToArray();
        Updates.GetValueOrDefault(weight.Name)?.Apply(0, values, []);
        if (_configuration.NormKind == NormKind.RmsPlusOne && weight.Name.EndsWith("norm.weight", StringComparison.Ordinal))
            values = Array.ConvertAll(values, value => value + 1);
        var order = architecture.OrderOf(weight.Name, _configuration);
        var ordered = values.Select((_, i) => values[order.Source(i)]).ToArray();
        GgufSource.From(weight.Name, weight.Shape, ordered).Write(stream);
    });

    private GgufSource Matrices(string name, IReadOnlyList<WeightShape> weights)
    {
        var shape = architecture.IsTransposed(weights[0]) ? [.. weights[0].Shape.Reverse()] : weights[0].Shape;
        var stored = GgufEncoding.Fitting(TypeOf(name), shape[^1]);
        return new(name, stored, GgufArchitecture.IsStack(name) ? [weights.Count, .. shape] : shape, stream =>
        {
            foreach (var weight in weights) Write(stream, weight, stored, (int)shape[0], (int)shape[1]);
        });
    }

    /// <summary>
    /// What a token reads directly, the rows of the embedding and of the output layer, gets more bits than four. Routers and the embedding of
    /// positions are float32, as llama.cpp has them.
    /// </summary>
    private GgufType TypeOf(string name) => name switch
    {
        GgufArchitecture.Positions => GgufType.F32,
        GgufArchitecture.Embedding or GgufArchitecture.Head => GgufEncoding.OfEnds(type),
        _ => name.EndsWith(GgufArchitecture.Router, StringComparison.Ordinal) ? GgufType.F32 : type,
    };

    private void Write(Stream stream, WeightShape weight, GgufType stored, int rows, int columns)
    {
        var (read, update) = (ReaderOf(weight, rows, columns), Updates.GetValueOrDefault(weight.Name));
        var order = architecture.OrderOf(weight.Name, _configuration);
        var (values, change) = (new float[order.Together * columns], new float[columns]);
        var bytes = new byte[columns / stored.Block().Values * stored.Block().Bytes];
        for (var first = 0; first < rows; first += order.Together)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var begin = order.Source(first);
            for (var row = 0; row < order.Together; row++)
            {
                var line = values.AsSpan(row * columns, columns);
                read(begin + row, line);
                update?.Apply(begin + row, line, change);
            }
            for (var row = first; row < first + order.Together; row++)
            {
                var source = order.Source(row);
                var line = values.AsSpan((source - begin) * columns, columns);
                RequireRange(line, source);
                GgufEncoding.FromSingle(stored, line, bytes);
                stream.Write(bytes);
            }
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

    /// <summary>Returns what fills a span with a row of a weight, output by input, before its update.</summary>
    private Action<int, Span<float>> ReaderOf(WeightShape weight, int rows, int columns)
    {
        var given = Replaced.GetValueOrDefault(weight.Name);
        if (architecture.IsTransposed(weight))
        {
            var turned = given ?? model.Tensor(weight.Name, weight.Shape).ToArray();
            return (row, line) =>
            {
                for (var column = 0; column < columns; column++) line[column] = turned[column * rows + row];
            };
        }
        return given is null ? model.ReadRows(weight.Name, rows, columns).Read : (row, line) => given.AsSpan(row * columns, columns).CopyTo(line);
    }
}
