using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>
/// Estimates what a response will earn, from the hidden state before each of its tokens: v = w h + b, in double precision. It has its own AdamW, and
/// its gradient ends here: the published code also passes it on into the network.
/// </summary>
internal sealed class ValueHead(int hiddenSize)
{
    private readonly double[] _weights = new double[hiddenSize + 1], _gradient = new double[hiddenSize + 1],
        _first = new double[hiddenSize + 1], _second = new double[hiddenSize + 1];
    private int _steps;

    /// <summary>The values of n tokens.</summary>
    /// <param name="hidden">n x H hidden states.</param>
    public double[] Values(ReadOnlySpan<float> hidden)
    {
        var values = new double[hidden.Length / hiddenSize];
        for (var t = 0; t < values.Length; t++)
        {
            var h = hidden.Slice(t * hiddenSize, hiddenSize);
            values[t] = _weights[hiddenSize];
            for (var i = 0; i < hiddenSize; i++) values[t] += _weights[i] * h[i];
        }
        return values;
    }

    /// <summary>Adds the gradient of one token.</summary>
    /// <param name="hidden">The H values before it.</param>
    /// <param name="slope">dL/dv.</param>
    public void Add(ReadOnlySpan<float> hidden, double slope)
    {
        for (var i = 0; i < hiddenSize; i++) _gradient[i] += slope * hidden[i];
        _gradient[hiddenSize] += slope;
    }

    /// <summary>Takes a step of AdamW without decay and clears the gradient, which is clipped like that of the network.</summary>
    public void Step(AdamWOptions options, double learningRate)
    {
        var norm = Math.Sqrt(_gradient.Sum(g => g * g));
        var clip = Math.Min(1, options.MaximumGradientNorm / (norm + 1e-6));
        var (correction1, correction2) = (1 - Math.Pow(options.Beta1, ++_steps), 1 - Math.Pow(options.Beta2, _steps));
        for (var i = 0; i < _weights.Length; i++)
        {
            var g = clip * _gradient[i];
            _first[i] = options.Beta1 * _first[i] + (1 - options.Beta1) * g;
            _second[i] = options.Beta2 * _second[i] + (1 - options.Beta2) * g * g;
            _weights[i] -= learningRate * (_first[i] / correction1) / (Math.Sqrt(_second[i] / correction2) + options.Epsilon);
        }
        Array.Clear(_gradient);
    }

    /// <summary>The state, as bytes of doubles: weights, moments and the number of steps.</summary>
    public TensorData Export(string name)
    {
        double[] all = [.. _weights, .. _first, .. _second, _steps];
        return new TensorData(name, TensorType.F64, [all.Length], System.Runtime.InteropServices.MemoryMarshal.AsBytes<double>(all).ToArray());
    }

    /// <summary>Restores what <see cref="Export"/> returned.</summary>
    /// <exception cref="NlftException">It is that of another model.</exception>
    public void Import(TensorData state)
    {
        var all = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, double>(state.Bytes.Span);
        if (state.Type != TensorType.F64 || all.Length != 3 * _weights.Length + 1)
        {
            throw new NlftException($"tensor {state.Name}", $"{all.Length} values", $"{3 * _weights.Length + 1} of type F64",
                "Name another folder to begin anew.");
        }
        all[.._weights.Length].CopyTo(_weights);
        all.Slice(_weights.Length, _weights.Length).CopyTo(_first);
        all.Slice(2 * _weights.Length, _weights.Length).CopyTo(_second);
        _steps = (int)all[^1];
    }
}
