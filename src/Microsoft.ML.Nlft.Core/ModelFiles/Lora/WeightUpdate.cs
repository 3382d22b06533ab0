using System.Numerics;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// What merging an adapter does to one tensor of the model, one row at a time: W' = W + scaling * B A (B: out x r, A: r x in) for the weight of an
/// adapted layer, with DoRA each row then scaled to its magnitude; plus scaling * b for a bias, with a bias b of B. W is the adapter's own tensor if
/// it holds one, else the model's.
/// </summary>
internal sealed class WeightUpdate
{
    private ReadOnlyMemory<float> _a, _scaledB;
    private float[]? _magnitudes, _shift;

    private WeightUpdate(NamedTensor? whole) => Whole = whole;

    /// <summary>The tensor that replaces the model's, or null.</summary>
    public NamedTensor? Whole { get; }

    /// <summary>Whether the tensor is stored transposed: its columns are the rows that <see cref="Apply"/> changes.</summary>
    public bool IsTransposed { get; private init; }

    private bool IsEmpty => Whole is null && _shift is null && _scaledB.IsEmpty;

    /// <summary>Returns every update of an adapter that fits the model, by the name of the tensor it is for.</summary>
    /// <exception cref="NlftException">The change cannot be merged: a bias for a layer without one, or one end of a shared embedding.</exception>
    public static Dictionary<string, WeightUpdate> All(LoraAdapter adapter, ModelConfiguration model)
    {
        var factors = adapter.Factors.ToDictionary(factor => factor.Name, StringComparer.Ordinal);
        model = adapter.Extend(model);
        var targets = adapter.Configuration.Resolve(model).ToDictionary(target => target.Module);
        var isShared = model.TieWordEmbeddings;
        var (embedding, head) = (ModelLayout.EmbeddingModule(model), ModelLayout.HeadModule(model));
        var updates = new Dictionary<string, WeightUpdate>(StringComparer.Ordinal);
        foreach (var linear in ModelLayout.AdaptableModules(model))
        {
            var (module, target) = (linear.Name, targets.GetValueOrDefault(linear.Name));
            if (isShared && target is not null && (module == embedding || module == head))
                throw Fault(module, "factors for one use of a matrix that is embedding and output layer", "a model with two matrices");
            var (a, b) = target is null ? default : Factors(linear, target);
            foreach (var part in linear.Parts)
            {
                var update = new WeightUpdate(isShared && module == head ? null : factors.GetValueOrDefault(part.Weight))
                {
                    IsTransposed = linear.IsTransposed, _magnitudes = factors.GetValueOrDefault(module + LoraLayout.Magnitude)?.Values,
                };
                if (target is not null)
                {
                    var (first, rows, size) = (part.Expert * linear.Outputs + part.FirstRow, module == embedding ? linear.Inputs : part.Rows,
                        a.Length / linear.Experts);
                    (update._a, update._scaledB) = (a.AsMemory(part.Expert * size, size), b.AsMemory(first * target.Rank, rows * target.Rank));
                }
                if (!update.IsEmpty) updates.Add(part.Weight, update);
            }
            var bias = new WeightUpdate(factors.GetValueOrDefault(module + LoraLayout.Bias));
            if (factors.TryGetValue(module + LoraLayout.BiasOfB, out var shift))
            {
                if (!linear.HasBias) throw Fault(shift.Name, "a bias for a layer that has none in the model", "a layer with a bias to add it to");
                bias._shift = Scaled(target!, shift.Values);
            }
            if (!bias.IsEmpty) updates.Add(module + LoraLayout.Bias, bias);
        }
        return updates;

        (float[] A, float[] ScaledB) Factors(LinearModule linear, LoraTarget target)
        {
            if (linear.Name == embedding) // the rows of W are those of A^T B^T
            {
                return (Transposed(factors[target.Factors + LoraLayout.EmbeddingB]),
                    Scaled(target, Transposed(factors[target.Factors + LoraLayout.EmbeddingA])));
            }
            var b = Scaled(target, factors[target.Factors + LoraLayout.B].Values);
            return (factors[target.Factors + LoraLayout.A].Values, linear.Experts > 1 ? StackedFactor.ByExpert(b, linear.Experts) : b);
        }

        static NlftException Fault(string name, string found, string expected) =>
            new($"adapter, \"{name}\"", found, expected, "Use base model and adapter side by side.");
    }

    /// <summary>Changes row <paramref name="output"/> of the tensor in place.</summary>
    /// <param name="output">The row; 0 for a bias.</param>
    /// <param name="row">Its values in the model; anything if <see cref="Whole"/> replaces them.</param>
    /// <param name="change">Room for as many values.</param>
    public void Apply(int output, Span<float> row, Span<float> change)
    {
        Whole?.Values.AsSpan(output * row.Length, row.Length).CopyTo(row);
        if (_shift is not null) AddScaled(row, _shift, 1);
        if (_scaledB.IsEmpty) return;
        var rank = _a.Length / row.Length;
        change.Clear();
        for (var k = 0; k < rank; k++) AddScaled(change, _a.Span.Slice(k * row.Length, row.Length), _scaledB.Span[output * rank + k]);
        AddScaled(row, change, 1);
        if (_magnitudes is null) return;
        var norm = 0.0;
        foreach (var value in row) norm += (double)value * value;
        var scale = norm > 0 ? _magnitudes[output] / Math.Sqrt(norm) : 1;
        foreach (ref var value in row) value = (float)(value * scale);
    }

    private static float[] Scaled(LoraTarget target, float[] values) => Array.ConvertAll(values, value => (float)(value * target.Scaling));

    private static float[] Transposed(NamedTensor tensor)
    {
        var (rows, columns, values) = (tensor.Shape[0], tensor.Shape[1], new float[tensor.Values.Length]);
        for (var i = 0; i < values.Length; i++) values[i % columns * rows + i / columns] = tensor.Values[i];
        return values;
    }

    /// <summary>Computes sum += factor * x.</summary>
    private static void AddScaled(Span<float> sum, ReadOnlySpan<float> x, float factor)
    {
        var i = 0;
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
            (new Vector<float>(sum[i..]) + factor * new Vector<float>(x[i..])).CopyTo(sum[i..]);
        for (; i < x.Length; i++) sum[i] += factor * x[i];
    }
}
