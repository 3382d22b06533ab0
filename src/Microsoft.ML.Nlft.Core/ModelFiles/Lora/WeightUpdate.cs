using System.Numerics;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// What merging an adapter does to one tensor of the model, one row at a time: W' = W + scaling * B A (B: out x r, A: r x in) for the weight of an
/// adapted layer, with DoRA each row then scaled to its magnitude; for a bias, its trained values, plus scaling * b for a bias b of B.
/// </summary>
internal sealed class WeightUpdate
{
    private readonly ReadOnlyMemory<float> _a, _scaledB;
    private readonly float[]? _magnitudes, _replacement, _shift;

    private WeightUpdate(ReadOnlyMemory<float> a, ReadOnlyMemory<float> scaledB, float[]? magnitudes) =>
        (_a, _scaledB, _magnitudes) = (a, scaledB, magnitudes);

    private WeightUpdate(float[]? replacement, float[]? shift) => (_replacement, _shift) = (replacement, shift);

    /// <summary>Whether the tensor is stored transposed: its columns are the rows that <see cref="Apply"/> changes.</summary>
    public bool IsTransposed { get; private init; }

    /// <summary>Returns every update of an adapter that fits the model, by the name of the tensor it is for.</summary>
    /// <exception cref="NlftException">A bias of B belongs to a layer without a bias.</exception>
    public static Dictionary<string, WeightUpdate> All(LoraAdapter adapter, ModelConfiguration model)
    {
        var factors = adapter.Factors.ToDictionary(factor => factor.Name, factor => factor.Values, StringComparer.Ordinal);
        var targets = adapter.Configuration.Resolve(model).ToDictionary(target => target.Module);
        var updates = new Dictionary<string, WeightUpdate>(StringComparer.Ordinal);
        foreach (var linear in ModelLayout.LinearModules(model))
        {
            var module = linear.Name;
            var (bias, shift) = (factors.GetValueOrDefault(module + LoraLayout.Bias), factors.GetValueOrDefault(module + LoraLayout.BiasOfB));
            if (shift is not null && !linear.HasBias)
            {
                throw new NlftException($"adapter, tensor \"{module}{LoraLayout.BiasOfB}\"", "a bias for a layer that has none in the model",
                    "a layer with a bias to add it to", "Use base model and adapter side by side.");
            }
            if (targets.TryGetValue(module, out var target))
            {
                var (a, b) = (factors[target.Factors + LoraLayout.A].AsMemory(), Scaled(target, factors[target.Factors + LoraLayout.B]));
                if (linear.Experts > 1) b = StackedFactor.ByExpert(b, linear.Experts);
                foreach (var part in linear.Parts)
                {
                    var (first, size) = (part.Expert * linear.Outputs + part.FirstRow, target.Rank * linear.Inputs);
                    updates.Add(part.Weight, new WeightUpdate(a.Slice(part.Expert * size, size),
                        b.AsMemory(first * target.Rank, part.Rows * target.Rank), factors.GetValueOrDefault(module + LoraLayout.Magnitude))
                    {
                        IsTransposed = linear.IsTransposed,
                    });
                }
            }
            if ((bias ?? shift) is not null)
                updates.Add(module + LoraLayout.Bias, new WeightUpdate(bias, shift is null ? null : Scaled(target!, shift)));
        }
        return updates;
    }

    /// <summary>Changes row <paramref name="output"/> of the tensor in place.</summary>
    /// <param name="output">The row; 0 for a bias.</param>
    /// <param name="row">Its values.</param>
    /// <param name="change">Room for as many values.</param>
    public void Apply(int output, Span<float> row, Span<float> change)
    {
        _replacement?.CopyTo(row);
        if (_shift is not null) AddScaled(row, _shift, 1);
        if (_scaledB.Length == 0) return;
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

    /// <summary>Computes sum += factor * x.</summary>
    private static void AddScaled(Span<float> sum, ReadOnlySpan<float> x, float factor)
    {
        var i = 0;
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
            (new Vector<float>(sum[i..]) + factor * new Vector<float>(x[i..])).CopyTo(sum[i..]);
        for (; i < x.Length; i++) sum[i] += factor * x[i];
    }
}
